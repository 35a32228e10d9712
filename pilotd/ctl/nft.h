/*
 * nft: the nftables tool, or ip, fed and read.
 */
#ifndef CTL_NFT_H
#define CTL_NFT_H

#include "base/arena.h"
#include "base/error.h"

struct nft_run {
    int status;       /* the program's */
    const char *text; /* what it printed; what it said on standard error stays there */
};

/* A program and its arguments, with `input` as its standard input. False: it could not be started.
 */
bool nft_run(struct arena *a, const char *const *args, const char *input, bool is_quiet,
    struct nft_run *out, struct error *err);

/* How nft lists that table once the rules are loaded: asked in a network namespace that is made for
 * it and goes at once, so nothing else is touched. */
bool nft_listing_of(
    struct arena *a, const char *rules, const char *table, const char **text, struct error *err);

#endif
