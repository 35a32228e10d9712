/*
 * html_out: the few calls that HTML is written with. Whatever comes from configuration or from
 * peers goes through html_text, html_url or html_tag.
 */
#ifndef DAEMON_HTML_OUT_H
#define DAEMON_HTML_OUT_H

#include "base/buf.h"

/* For text and for attributes in double quotes. Control bytes and what is not UTF-8 become U+FFFD;
 * so do the signs that turn the direction of text around. NULL writes nothing. */
void html_text(struct buf *out, const char *text);

/* For a part of a query in an attribute: all but letters, digits and "-._~" as %XX. */
void html_url(struct buf *out, const char *text);

/* A word with a colour of its own; `kind` is "good", "bad", "warn" or "dull". */
void html_tag(struct buf *out, const char *kind, const char *text);

#endif
