#include "daemon/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t resident_bytes(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm) {
        if (fscanf(statm, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(statm);
    }
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

/* But for that which counts them. */
static int64_t open_fds(void)
{
    int64_t count = -1;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static int64_t ms_of(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000 + time.tv_usec / 1000;
}

void process_gauges(struct process_stats *stats)
{
    struct rlimit files;
    struct rusage usage;
    metric_set(&stats->resident_bytes, resident_bytes());
    metric_set(&stats->open_fds, open_fds());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        metric_set(&stats->max_fds, (int64_t)files.rlim_cur);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        metric_set(&stats->cpu_ms, ms_of(usage.ru_utime) + ms_of(usage.ru_stime));
}
