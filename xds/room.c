#include "xds/room.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static rlim_t reserve_of(rlim_t limit)
{
    rlim_t part = limit / ROOM_RESERVE_SHARE;
    return part < ROOM_RESERVE ? part : ROOM_RESERVE;
}

/* The kernel gives the lowest number that is free, so it says how many are taken. */
bool room_is_full(void)
{
    struct rlimit files;
    int next = open("/", O_PATH | O_CLOEXEC);
    if (next < 0)
        return true;
    close(next);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return false;
    return (rlim_t)next >= files.rlim_cur - reserve_of(files.rlim_cur);
}
