/* A disk that takes what is written and cannot keep all of it: while the file $FSYNC_FLAG exists, syncing below $FSYNC_BELOW fails with EIO
   where the path has the flag file's text in it; a first letter says whether of files (f) or of folders (d). What became of every sync
   of a file is written to $FSYNC_LOG, a line each: "failed PATH" or "synced PATH".
   Put between the server and the C library with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tell(const char *what, const char *path) {
  char line[PATH_MAX + 16];
  int n = snprintf(line, sizeof line, "%s %s\n", what, path);
  int fd = open(getenv("FSYNC_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return;
  if (write(fd, line, n) < 0) perror("FSYNC_LOG");
  close(fd);
}

static int sync_with(int (*real)(int), int fd) {
  const char *root = getenv("FSYNC_BELOW"), *flag = getenv("FSYNC_FLAG");
  char link[64], path[PATH_MAX], wanted[256] = {0};
  struct stat s;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0 || !root || !flag) return real(fd);
  path[n] = 0;
  if (strncmp(path, root, strlen(root)) != 0 || fstat(fd, &s) != 0) return real(fd);
  int is_folder = S_ISDIR(s.st_mode), fails = 0;
  int from = open(flag, O_RDONLY | O_CLOEXEC);
  if (from >= 0) {
    if (read(from, wanted, sizeof wanted - 1) > 0)
      fails = (wanted[0] == (is_folder ? 'd' : 'f')) && strstr(path, wanted + 1) != NULL;
    close(from);
  }
  if (!is_folder) tell(fails ? "failed" : "synced", path);
  if (fails) {
    errno = EIO;
    return -1;
  }
  return real(fd);
}

#define REAL(name) ((int (*)(int))dlsym(RTLD_NEXT, #name))
int fsync(int fd) { return sync_with(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }
