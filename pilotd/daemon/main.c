/* pilotd: reads its settings and lives (lifecycle.h). */
#include "daemon/lifecycle.h"

int main(int argc, char **argv)
{
    struct options options;
    struct error err;
    if (options_print_wanted(argc, argv))
        return 0;
    if (!options_parse(&options, argc, argv, &err)) {
        fprintf(stderr, "pilotd: %s\n", err.text);
        options_fini(&options);
        return 2;
    }
    int status = lifecycle_run(&options, argc, argv, NULL);
    options_fini(&options);
    return status;
}
