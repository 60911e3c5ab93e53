/* Calls the host in every way that no compiler makes, from the inside: pointers past the end of memory, lists that
 * overflow, paths of every illegal shape, floods. Each must be an errno, and afterwards everything must still work. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#define ROOT 3

static int failures;

/* Says how a class of calls ended. */
static void report(const char *what, int good) {
    printf("%s: %s\n", what, good ? "ok" : "WRONG");
    failures += !good;
}

/* The functions as they are imported, with pointers that are only numbers. */
#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int32_t raw_##name
IMPORT(fd_write)(int32_t, uint32_t, uint32_t, uint32_t);
IMPORT(fd_read)(int32_t, uint32_t, uint32_t, uint32_t);
IMPORT(fd_readdir)(int32_t, uint32_t, uint32_t, int64_t, uint32_t);
IMPORT(path_open)(int32_t, int32_t, uint32_t, uint32_t, int32_t, int64_t, int64_t, int32_t, uint32_t);
IMPORT(path_create_directory)(int32_t, uint32_t, uint32_t);
IMPORT(random_get)(uint32_t, uint32_t);

static uint32_t address(const void *pointer) { return (uint32_t)(uintptr_t)pointer; }

static __wasi_errno_t open_path(const char *path, size_t length, __wasi_oflags_t flags, __wasi_rights_t rights,
                                __wasi_fd_t *opened) {
    return (__wasi_errno_t)raw_path_open(ROOT, 1, address(path), (uint32_t)length, flags, (int64_t)rights, 0, 0,
                                         address(opened));
}

static int is_refused(const char *path, size_t length, __wasi_errno_t errno_wanted) {
    __wasi_fd_t fd;
    const __wasi_errno_t opened = open_path(path, length, __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_WRITE, &fd);
    const __wasi_errno_t made = (__wasi_errno_t)raw_path_create_directory(ROOT, address(path), (uint32_t)length);
    return opened == errno_wanted && made == errno_wanted;
}

static void pointers(void) {
    const uint32_t end = (uint32_t)__builtin_wasm_memory_size(0) * 65536;
    const uint32_t places[] = {end, end - 4, end + 8, 0x7ffffff8, 0x80000000, 0xfffffff8};
    uint32_t result;
    int good = 1;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        good &= raw_fd_write(1, places[i], 1, address(&result)) == __WASI_ERRNO_FAULT;
        good &= raw_random_get(places[i], 16) == __WASI_ERRNO_FAULT;
        good &= raw_path_create_directory(ROOT, places[i], 16) == __WASI_ERRNO_FAULT;
        good &= raw_fd_readdir(ROOT, places[i], 4096, 0, address(&result)) == __WASI_ERRNO_FAULT;
    }
    report("pointers past the end of memory", good);
}

static void lists(void) {
    const uint32_t counts[] = {1025, 0x1000000, 0x20000001, 0xffffffff};
    struct { uint32_t pointer, length; } list[2] = {{8, 0xffffffff}, {0xfffffff0, 0x20}};
    uint32_t result;
    int good = 1;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        good &= raw_fd_write(1, address(list), counts[i], address(&result)) == __WASI_ERRNO_INVAL;
    good &= raw_fd_write(1, address(list), 1, address(&result)) == __WASI_ERRNO_FAULT;
    good &= raw_fd_read(0, address(list + 1), 1, address(&result)) == __WASI_ERRNO_FAULT;
    report("lists that overflow or number in the millions", good);
}

static void paths(void) {
    static char longest[5000];
    memset(longest, 'a', sizeof longest);
    int good = is_refused("a\0b", 3, __WASI_ERRNO_INVAL);
    good &= is_refused("\xff\xfe", 2, __WASI_ERRNO_ILSEQ);
    good &= is_refused(longest, sizeof longest, __WASI_ERRNO_NAMETOOLONG);
    good &= is_refused(longest, 256, __WASI_ERRNO_NAMETOOLONG);
    good &= is_refused("dir/../../b", 11, __WASI_ERRNO_PERM);
    good &= is_refused("..", 2, __WASI_ERRNO_PERM);
    good &= is_refused("/etc", 4, __WASI_ERRNO_PERM);
    good &= is_refused("", 0, __WASI_ERRNO_NOENT);
    report("paths of illegal shapes", good);
    good = __wasi_path_symlink("../secret", ROOT, "out") == 0;
    good &= __wasi_path_symlink("loop-b", ROOT, "loop-a") == 0;
    good &= __wasi_path_symlink("loop-a", ROOT, "loop-b") == 0;
    __wasi_fd_t fd;
    good &= open_path("out", 3, __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_WRITE, &fd) == __WASI_ERRNO_PERM;
    good &= open_path("loop-a", 6, 0, 0, &fd) == __WASI_ERRNO_LOOP;
    good &= is_refused("loop-b/new", 10, __WASI_ERRNO_LOOP);
    report("links that lead out or round in a circle", good);
}

static void descriptors(void) {
    __wasi_fd_t fd, first = 0;
    __wasi_errno_t error;
    int count = 0;
    while ((error = open_path("dir", 3, 0, 0, &fd)) == 0 && count < 100000) {
        if (count++ == 0) first = fd;
    }
    int good = error == __WASI_ERRNO_MFILE && count > 0;
    for (int i = 0; i < count; i++) good &= __wasi_fd_close(first + i) == 0;
    good &= open_path("dir", 3, 0, 0, &fd) == 0 && __wasi_fd_close(fd) == 0;
    report("descriptors until there are no more", good);
}

static void listing(void) {
    const uint32_t end = (uint32_t)__builtin_wasm_memory_size(0) * 65536;
    uint32_t used = 0;
    int good = raw_fd_readdir(ROOT, 65536, 0xffffffff, 0, address(&used)) == __WASI_ERRNO_FAULT;
    good &= raw_fd_readdir(ROOT, 65536, end - 65535, 0, address(&used)) == __WASI_ERRNO_FAULT;
    /* Memory that nobody uses, as large as it comes. */
    const uint32_t page = (uint32_t)__builtin_wasm_memory_grow(0, 32);
    good &= raw_fd_readdir(ROOT, page * 65536, 32 * 65536, 0, address(&used)) == 0 && used > 48;
    report("a listing into a giant buffer", good);
}

static void memory(void) {
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {}
    while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) {}
    report("memory until there is no more", __builtin_wasm_memory_grow(0, 0x7fffffff) == (size_t)-1);
}

static void flood(void) {
    static uint8_t block[32768];
    __wasi_fd_t fd;
    const __wasi_ciovec_t piece = {block, sizeof block};
    __wasi_size_t written, total = 0;
    __wasi_errno_t error = open_path("flood", 5, __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_WRITE, &fd);
    while (error == 0 && total < 1u << 30) {
        error = __wasi_fd_write(fd, &piece, 1, &written);
        if (error == 0) total += written;
    }
    int good = error == __WASI_ERRNO_DQUOT && total > 65536;
    good &= __wasi_fd_close(fd) == 0 && __wasi_path_unlink_file(ROOT, "flood") == 0;
    good &= open_path("after", 5, __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_WRITE, &fd) == 0;
    good &= __wasi_fd_write(fd, &piece, 1, &written) == 0 && written == sizeof block;
    report("a file that grows to its quota", good);
}

int main(void) {
    if (__wasi_path_create_directory(ROOT, "dir") != 0) return 2;
    pointers();
    lists();
    paths();
    descriptors();
    listing();
    memory();
    flood();
    return failures;
}
