/* Records what a process writes to the files below $RECORD_FOLDER, and what of it has reached the disk, in
 * $RECORD_LOG. For LD_PRELOAD. A record: kind, file, offset, length (little-endian: 1, 4, 8, 8 bytes), then bytes.
 *   N name of a new file     W bytes written     T cut to `offset`     S synced: all that came before record `offset` */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define MOST 4096
static int32_t file_of[MOST]; /* descriptor -> file + 1 */
static char *names[MOST];
static int32_t known;
static int64_t records;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static ssize_t raw_write(int fd, const void *data, size_t size) { REAL(write); return real(fd, data, size); }

static void put(char kind, int32_t file, int64_t offset, int64_t length, const void *data) {
    char head[21];
    head[0] = kind;
    memcpy(head + 1, &file, 4);
    memcpy(head + 5, &offset, 8);
    memcpy(head + 13, &length, 8);
    raw_write(log_fd, head, sizeof head);
    if (data) raw_write(log_fd, data, (size_t)length);
    records++;
}

static int opened(int fd, const char *path) {
    const char *folder = getenv("RECORD_FOLDER"), *log = getenv("RECORD_LOG");
    if (fd < 0 || fd >= MOST || !folder || !log || strncmp(path, folder, strlen(folder))) return fd;
    pthread_mutex_lock(&lock);
    if (log_fd < 0) {
        REAL(open);
        log_fd = real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    int32_t file = 0;
    while (file < known && strcmp(names[file], path)) file++;
    if (file == known) {
        names[known++] = strdup(path);
        put('N', file, 0, (int64_t)strlen(path), path);
    }
    file_of[fd] = file + 1;
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPENER(name)                                                     \
    int name(const char *path, int flags, ...) {                         \
        va_list rest; va_start(rest, flags);                             \
        mode_t mode = va_arg(rest, mode_t); va_end(rest);                \
        REAL(name);                                                      \
        return opened(real(path, flags, mode), path);                    \
    }
OPENER(open)
OPENER(open64)

int close(int fd) { REAL(close); if (fd >= 0 && fd < MOST) file_of[fd] = 0; return real(fd); }

static int32_t tracked(int fd) { return fd >= 0 && fd < MOST ? file_of[fd] - 1 : -1; }

#define WRITER(name, type)                                                               \
    ssize_t name(int fd, const void *data, size_t size, type offset) {                   \
        REAL(name);                                                                      \
        int32_t file = tracked(fd);                                                      \
        if (file < 0) return real(fd, data, size, offset);                               \
        pthread_mutex_lock(&lock);                                                       \
        ssize_t done = real(fd, data, size, offset);                                     \
        if (done > 0) put('W', file, offset, done, data);                                \
        pthread_mutex_unlock(&lock);                                                     \
        return done;                                                                     \
    }
WRITER(pwrite, off_t)
WRITER(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t size) {
    int32_t file = tracked(fd);
    if (file < 0) return raw_write(fd, data, size);
    pthread_mutex_lock(&lock);
    off_t offset = lseek(fd, 0, SEEK_END);
    ssize_t done = raw_write(fd, data, size);
    if (done > 0) put('W', file, offset, done, data);
    pthread_mutex_unlock(&lock);
    return done;
}

#define CUTTER(name, type)                                                               \
    int name(int fd, type size) {                                                        \
        REAL(name);                                                                      \
        int32_t file = tracked(fd);                                                      \
        if (file < 0) return real(fd, size);                                             \
        pthread_mutex_lock(&lock);                                                       \
        int done = real(fd, size);                                                       \
        if (!done) put('T', file, size, 0, NULL);                                        \
        pthread_mutex_unlock(&lock);                                                     \
        return done;                                                                     \
    }
CUTTER(ftruncate, off_t)
CUTTER(ftruncate64, off64_t)

#define SYNCER(name)                                                                     \
    int name(int fd) {                                                                   \
        REAL(name);                                                                      \
        int32_t file = tracked(fd);                                                      \
        if (file < 0) return real(fd);                                                   \
        pthread_mutex_lock(&lock);                                                       \
        int64_t before = records;                                                        \
        pthread_mutex_unlock(&lock);                                                     \
        int done = real(fd);                                                             \
        pthread_mutex_lock(&lock);                                                       \
        if (!done) put('S', file, before, 0, NULL);                                      \
        pthread_mutex_unlock(&lock);                                                     \
        return done;                                                                     \
    }
SYNCER(fsync)
SYNCER(fdatasync)
