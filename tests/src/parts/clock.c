/* A wall clock that somebody sets: the seconds in the file $CLOCK_OFFSET are added to it, while the file is there. The clock that only goes
   forward is left alone. Put between the server and the C library with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, "clock_gettime");
  int r = real(id, t);
  const char *path = getenv("CLOCK_OFFSET");
  if (r || id != CLOCK_REALTIME || !path) return r;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return r;
  char text[32] = {0};
  if (read(fd, text, sizeof text - 1) > 0) t->tv_sec += strtol(text, 0, 10);
  close(fd);
  return r;
}
