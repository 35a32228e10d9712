/*
 * page: the status page as HTML, made of the same JSON that /debug/… tells. It needs no script:
 * links lead to the next parts of long tables, and a search is a form. The script (page/page.js)
 * only fetches these pages anew and puts what has changed in place.
 *
 * Pure. What is not to be shown is NULL.
 */
#ifndef DAEMON_PAGE_H
#define DAEMON_PAGE_H

#include "base/buf.h"
#include "base/json.h"

struct page {
    const char *path, *title;                /* "/ui/proxies", "Proxies" */
    const char *id;                          /* of the replica */
    const cJSON *status;                     /* report_status_json */
    const cJSON *proxies, *services, *graph; /* listings.h */
    bool is_partial;                         /* not all serving loops have told their proxies */
};

void page_render(struct buf *out, const struct page *page);

/* The files of page/, which the build puts into the binary. */
struct page_file {
    const char *path, *content_type; /* "/ui/page.css" */
    const unsigned char *bytes;
    size_t size;
};
extern const struct page_file page_files[];
extern const size_t page_file_count;
/* NULL: there is none with that path. */
const struct page_file *page_file_find(const char *path);

#endif
