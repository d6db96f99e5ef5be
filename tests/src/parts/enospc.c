/* A full or failing disk for one process: while the file $ENOSPC_FLAG exists, writing or creating below $ENOSPC_BELOW fails with ENOSPC, or
   with the error of the number $ENOSPC_ERRNO.
   Put between the server and the C library with LD_PRELOAD; needs no rights and fills nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int below(const char *path) {
  const char *root = getenv("ENOSPC_BELOW"), *flag = getenv("ENOSPC_FLAG");
  struct stat s;
  return root && flag && strncmp(path, root, strlen(root)) == 0 && stat(flag, &s) == 0;
}

static int full(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return below(path);
}

/* Of a file: a folder that took a name has had the room for it. */
static int unkept(int fd) {
  struct stat s;
  return full(fd) && fstat(fd, &s) == 0 && !S_ISDIR(s.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
static int wanted(void) {
  const char *number = getenv("ENOSPC_ERRNO");
  return number ? atoi(number) : ENOSPC;
}

#define REFUSE(test) if (test) { errno = wanted(); return -1; }

ssize_t write(int fd, const void *b, size_t n) { REFUSE(full(fd)) return REAL(write)(fd, b, n); }
ssize_t writev(int fd, const struct iovec *v, int n) { REFUSE(full(fd)) return REAL(writev)(fd, v, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { REFUSE(full(fd)) return REAL(pwrite)(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) { REFUSE(full(fd)) return REAL(pwrite64)(fd, b, n, o); }
int fsync(int fd) { REFUSE(unkept(fd)) return REAL(fsync)(fd); }
int fdatasync(int fd) { REFUSE(unkept(fd)) return REAL(fdatasync)(fd); }
int mkdir(const char *p, mode_t m) { REFUSE(below(p) && access(p, F_OK) != 0) return REAL(mkdir)(p, m); }

static mode_t mode_of(int flags, va_list args) { return (flags & O_CREAT) ? va_arg(args, mode_t) : 0; }

int open(const char *p, int flags, ...) {
  va_list args; va_start(args, flags); mode_t m = mode_of(flags, args); va_end(args);
  REFUSE((flags & O_CREAT) && below(p)) return REAL(open)(p, flags, m);
}
int open64(const char *p, int flags, ...) {
  va_list args; va_start(args, flags); mode_t m = mode_of(flags, args); va_end(args);
  REFUSE((flags & O_CREAT) && below(p)) return REAL(open64)(p, flags, m);
}
