/* A GNU make extension with one function, $(exec-shell COMMAND): the running make becomes a shell that
 * runs COMMAND. The command has make's own standard streams, and its exit status is what make's caller
 * sees; a recipe could only make that 0 or 2.
 */
#include <gnumake.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int plugin_is_GPL_compatible;

static char *exec_shell(const char *name, unsigned int argc, char **argv) {
    (void)argc;
    /* What make does with signals is not for the command to inherit. */
    static const int reset[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGQUIT};
    for (size_t i = 0; i < sizeof reset / sizeof *reset; i++)
        signal(reset[i], SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    fflush(NULL);
    execl("/bin/sh", "sh", "-c", argv[0], (char *)NULL);
    perror(name);
    exit(2);
}

int make_exec_gmk_setup(const gmk_floc *where) {
    (void)where;
    gmk_add_function("exec-shell", exec_shell, 1, 1, GMK_FUNC_DEFAULT);
    return 1;
}
