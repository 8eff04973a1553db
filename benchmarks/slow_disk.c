/* A disk that takes 2 ms longer for each fsync and fdatasync. For LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

#define SLOW(name)                                                   \
    int name(int fd) {                                               \
        static int (*real)(int);                                     \
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name);     \
        usleep(2000);                                                \
        return real(fd);                                             \
    }
SLOW(fsync)
SLOW(fdatasync)
