/* pilotctl dashboard: where a replica's pages are, and a browser there. */
#include "ctl/admin.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct flag flag_print = {
    .name = "--print",
    .help = "prints the address and opens nothing",
};
const struct flag *const dashboard_flags[] = { &flag_server, &flag_print, NULL };

enum { CANNOT_START = 127 };

/* A browser that has a display to be on, or one that the user has named. */
static const char *browser(void)
{
    const char *named = getenv("BROWSER"), *display = getenv("DISPLAY");
    const char *wayland = getenv("WAYLAND_DISPLAY");
    if (named && *named)
        return named;
    return (display && *display) || (wayland && *wayland) ? "xdg-open" : NULL;
}

static bool open_in(const char *program, const char *url)
{
    int status = CANNOT_START << 8;
    pid_t child = fork();
    if (child == 0) {
        execlp(program, program, url, (char *)NULL);
        _exit(CANNOT_START);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The first that answers. */
static const char *find_server(struct ctl *ctl, struct error *err)
{
    string_list servers = admin_named_servers(ctl);
    struct admin_probe probe;
    error_set(err, ERROR_USAGE, "--server is empty");
    for (list_each (const char *const, server, &servers))
        if (admin_probe(*server, "/healthz", &probe, err))
            return *server;
    return NULL;
}

int verb_dashboard(struct ctl *ctl)
{
    struct error err;
    if (ctl->args.count)
        return ctl_fail(EXIT_USAGE, "dashboard: unexpected word %s", ctl->args.items[0]);
    const char *server = find_server(ctl, &err), *program = browser();
    if (!server)
        return ctl_fail_error(&err);
    const char *url = arena_printf(ctl->a, "http://%s/", server);
    puts(url);
    fflush(stdout);
    if (ctl_is_set(ctl, &flag_print) || !program || open_in(program, url))
        return EXIT_GOOD;
    return ctl_fail(EXIT_FINDINGS, "dashboard: %s did not open it", program);
}
