#include "mesh/level.h"

/* The next release as far as levels go, for tests of upgrades: build/next/pilotd. */
#ifdef NEXT_RELEASE
const unsigned level_least = 1, level_newest = 2;
#else
const unsigned level_least = 1, level_newest = 1;
#endif
