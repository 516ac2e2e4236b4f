/* A preloaded library that counts the file-system calls of a process below some folders, and lets one of them fail.
 *
 * cc -shared -fPIC -O1 -o faulty.so faulty.c -ldl; LD_PRELOAD=faulty.so python ...
 * Nothing happens until `faulty_arm` is called; see faults.py.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define KINDS 16
#define FILES 65536

static const char *NAMES[KINDS] = {"open",  "read",  "write", "close", "fsync", "rename", "link", "unlink",
                                   "mkdir", "rmdir", "list",  "stat",  "lock",  "truncate", "map", ""};
enum { OPEN, READ, WRITE, CLOSE, FSYNC, RENAME, LINK, UNLINK, MKDIR, RMDIR, LIST, STAT, LOCK, TRUNCATE, MAP };

static char root[4096];
static size_t length;
static long wanted, calls;
static int fault, armed, chosen[KINDS]; /* fault: an errno, 0 for SIGKILL, -1 to count only */
static char followed[FILES];
static char happened[4400];

/* Arm the library: `kinds` are names separated by commas, `at` is the call that fails, 1-based. */
void faulty_arm(const char *folder, const char *kinds, long at, int error) {
  length = strlen(strncpy(root, folder, sizeof root - 1));
  for (int i = 0; i < KINDS; i++) {
    const char *found = *NAMES[i] ? strstr(kinds, NAMES[i]) : NULL;
    chosen[i] = found && (found == kinds || found[-1] == ',') && strchr(",", found[strlen(NAMES[i])]);
  }
  wanted = at, fault = error, calls = 0, armed = 1;
}

long faulty_count(void) { return calls; }

/* Name of the call that failed, and of its file if it was given by name. */
const char *faulty_happened(void) { return happened; }

static int below(int folder, const char *path) {
  if (!armed || !path) return 0;
  if (*path != '/') return folder >= 0 && folder < FILES && followed[folder];
  return !strncmp(path, root, length) && (!path[length] || path[length] == '/');
}

static int is_followed(int file) { return armed && file >= 0 && file < FILES && followed[file]; }

static int fails(int kind, const char *path) {
  if (!chosen[kind] || __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) != wanted || fault < 0) return 0;
  if (!fault) kill(getpid(), SIGKILL);
  strcpy(happened, NAMES[kind]);
  if (path) strncat(strcat(happened, " "), path, 4300);
  errno = fault;
  return 1;
}

static void follow(int file, int yes) {
  if (file >= 0 && file < FILES) followed[file] = yes;
}

#define REAL(result, name, ...)       \
  static result (*real)(__VA_ARGS__); \
  if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define BY_PATH(result, name, kind, bad, folder, path, parameters, arguments, ...) \
  result name parameters {                                                         \
    REAL(result, #name, __VA_ARGS__);                                              \
    if (below(folder, path) && fails(kind, path)) return bad;                      \
    return real arguments;                                                         \
  }

#define BY_FILE(result, name, kind, bad, file, parameters, arguments, ...) \
  result name parameters {                                                 \
    REAL(result, #name, __VA_ARGS__);                                      \
    if (is_followed(file) && fails(kind, NULL)) return bad;                \
    return real arguments;                                                 \
  }

#define OPENS(name, folder, parameters, arguments, ...)     \
  int name parameters {                                     \
    REAL(int, #name, __VA_ARGS__, mode_t);                  \
    mode_t mode = 0;                                        \
    if (flags & (O_CREAT | O_TMPFILE)) {                    \
      va_list more;                                         \
      va_start(more, flags), mode = va_arg(more, mode_t), va_end(more); \
    }                                                       \
    int ours = below(folder, path);                         \
    if (ours && fails(OPEN, path)) return -1;               \
    int file = real arguments;                              \
    if (ours) follow(file, 1);                              \
    return file;                                            \
  }

OPENS(open, -1, (const char *path, int flags, ...), (path, flags, mode), const char *, int)
OPENS(open64, -1, (const char *path, int flags, ...), (path, flags, mode), const char *, int)
OPENS(openat, at, (int at, const char *path, int flags, ...), (at, path, flags, mode), int, const char *, int)
OPENS(openat64, at, (int at, const char *path, int flags, ...), (at, path, flags, mode), int, const char *, int)

int close(int file) {
  REAL(int, "close", int);
  int failed = is_followed(file) && fails(CLOSE, NULL), error = errno;
  if (armed) follow(file, 0);
  int result = real(file); /* a failed close frees the number all the same */
  if (!failed) return result;
  errno = error;
  return -1;
}

DIR *opendir(const char *path) {
  REAL(DIR *, "opendir", const char *);
  int ours = below(-1, path);
  if (ours && fails(LIST, path)) return NULL;
  DIR *list = real(path);
  if (ours && list) follow(dirfd(list), 1);
  return list;
}

int closedir(DIR *list) {
  REAL(int, "closedir", DIR *);
  if (armed) follow(dirfd(list), 0);
  return real(list);
}

FILE *fopen64(const char *path, const char *how) {
  REAL(FILE *, "fopen64", const char *, const char *);
  return below(-1, path) && fails(OPEN, path) ? NULL : real(path, how);
}

FILE *fopen(const char *path, const char *how) { return fopen64(path, how); }

BY_FILE(ssize_t, read, READ, -1, file, (int file, void *data, size_t size), (file, data, size), int, void *, size_t)
BY_FILE(ssize_t, pread, READ, -1, file, (int file, void *data, size_t size, off_t at), (file, data, size, at), int, void *, size_t, off_t)
BY_FILE(ssize_t, pread64, READ, -1, file, (int file, void *data, size_t size, off_t at), (file, data, size, at), int, void *, size_t, off_t)
BY_FILE(ssize_t, write, WRITE, -1, file, (int file, const void *data, size_t size), (file, data, size), int, const void *, size_t)
BY_FILE(ssize_t, pwrite, WRITE, -1, file, (int file, const void *data, size_t size, off_t at), (file, data, size, at), int, const void *, size_t, off_t)
BY_FILE(ssize_t, writev, WRITE, -1, file, (int file, const struct iovec *data, int count), (file, data, count), int, const struct iovec *, int)
BY_FILE(ssize_t, sendfile, WRITE, -1, to, (int to, int from, off_t *at, size_t size), (to, from, at, size), int, int, off_t *, size_t)
BY_FILE(ssize_t, sendfile64, WRITE, -1, to, (int to, int from, off_t *at, size_t size), (to, from, at, size), int, int, off_t *, size_t)
BY_FILE(int, fsync, FSYNC, -1, file, (int file), (file), int)
BY_FILE(int, fdatasync, FSYNC, -1, file, (int file), (file), int)
BY_FILE(int, flock, LOCK, -1, file, (int file, int how), (file, how), int, int)
BY_FILE(int, ftruncate, TRUNCATE, -1, file, (int file, off_t size), (file, size), int, off_t)
BY_FILE(int, ftruncate64, TRUNCATE, -1, file, (int file, off_t size), (file, size), int, off_t)
BY_FILE(int, fstat, STAT, -1, file, (int file, struct stat *found), (file, found), int, struct stat *)
BY_FILE(int, fstat64, STAT, -1, file, (int file, struct stat64 *found), (file, found), int, struct stat64 *)
BY_FILE(void *, mmap, MAP, MAP_FAILED, file, (void *near, size_t size, int how, int flags, int file, off_t at), (near, size, how, flags, file, at), void *, size_t, int, int, int, off_t)
BY_FILE(void *, mmap64, MAP, MAP_FAILED, file, (void *near, size_t size, int how, int flags, int file, off_t at), (near, size, how, flags, file, at), void *, size_t, int, int, int, off_t)

BY_PATH(int, rename, RENAME, -1, -1, to, (const char *from, const char *to), (from, to), const char *, const char *)
BY_PATH(int, renameat, RENAME, -1, in, to, (int of, const char *from, int in, const char *to), (of, from, in, to), int, const char *, int, const char *)
BY_PATH(int, link, LINK, -1, -1, to, (const char *from, const char *to), (from, to), const char *, const char *)
BY_PATH(int, symlink, LINK, -1, -1, to, (const char *from, const char *to), (from, to), const char *, const char *)
BY_PATH(int, unlink, UNLINK, -1, -1, path, (const char *path), (path), const char *)
BY_PATH(int, unlinkat, UNLINK, -1, at, path, (int at, const char *path, int flags), (at, path, flags), int, const char *, int)
BY_PATH(int, mkdir, MKDIR, -1, -1, path, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
BY_PATH(int, mkdirat, MKDIR, -1, at, path, (int at, const char *path, mode_t mode), (at, path, mode), int, const char *, mode_t)
BY_PATH(int, rmdir, RMDIR, -1, -1, path, (const char *path), (path), const char *)
BY_FILE(struct dirent *, readdir, LIST, NULL, dirfd(list), (DIR * list), (list), DIR *)
BY_FILE(struct dirent64 *, readdir64, LIST, NULL, dirfd(list), (DIR * list), (list), DIR *)
BY_FILE(DIR *, fdopendir, LIST, NULL, file, (int file), (file), int)
BY_PATH(int, stat, STAT, -1, -1, path, (const char *path, struct stat *found), (path, found), const char *, struct stat *)
BY_PATH(int, stat64, STAT, -1, -1, path, (const char *path, struct stat64 *found), (path, found), const char *, struct stat64 *)
BY_PATH(int, lstat, STAT, -1, -1, path, (const char *path, struct stat *found), (path, found), const char *, struct stat *)
BY_PATH(int, lstat64, STAT, -1, -1, path, (const char *path, struct stat64 *found), (path, found), const char *, struct stat64 *)
BY_PATH(int, fstatat, STAT, -1, at, path, (int at, const char *path, struct stat *found, int flags), (at, path, found, flags), int, const char *, struct stat *, int)
BY_PATH(int, fstatat64, STAT, -1, at, path, (int at, const char *path, struct stat64 *found, int flags), (at, path, found, flags), int, const char *, struct stat64 *, int)
BY_PATH(int, statx, STAT, -1, at, path, (int at, const char *path, int flags, unsigned mask, struct statx *found), (at, path, flags, mask, found), int, const char *, int, unsigned, struct statx *)
