/* pilotd: reads its settings and lives (lifecycle.h). */
#include "daemon/dev.h"
#include "daemon/lifecycle.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int fail(const struct error *err)
{
    fprintf(stderr, "pilotd: %s\n", err->text);
    return err->code == ERROR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct options options;
    struct dev *dev = NULL;
    struct error err;
    int status;
    if (options_print_wanted(argc, argv))
        return 0;
    if (!options_parse(&options, argc, argv, &err) || (options.is_dev && !dev_start(&dev, &err)))
        status = fail(&err);
    else
        status = lifecycle_run(&options, argc, argv, dev);
    dev_stop(dev);
    options_fini(&options);
    return status;
}
