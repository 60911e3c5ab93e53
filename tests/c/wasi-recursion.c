/* Calls itself as many times as the first argument says, each call waiting for the next: some programs do, to free a list or
 * to follow a grammar. */
#include <stdio.h>
#include <stdlib.h>

/* What comes after the call keeps it from becoming a loop. */
static __attribute__((noinline)) unsigned deeper(unsigned depth) {
    return depth == 0 ? 1 : (deeper(depth - 1) * 31) ^ depth;
}

int main(int argc, char **argv) {
    unsigned depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    printf("%u calls: %u\n", depth, deeper(depth));
    return 0;
}
