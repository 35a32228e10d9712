#include "model/envelope.h"

#include "model/schema_fields.h"

#include <ctype.h>
#include <string.h>

/* RFC 3339, as Kubernetes writes it: 2026-01-31T12:00:00Z. So texts sort as the times do. */
static bool is_timestamp(const char *text)
{
    static const char pattern[] = "0000-00-00T00:00:00Z";
    if (strlen(text) != sizeof pattern - 1)
        return false;
    for (size_t i = 0; pattern[i]; i++)
        if (pattern[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != pattern[i])
            return false;
    return true;
}

static const struct format format_timestamp = {
    "a time such as 2026-01-31T12:00:00Z", is_timestamp, NULL
};

static const struct field metadata_fields[] = {
    STRING(metadata, name),
    STRING_AS("namespace", metadata, ns),
    STRING(metadata, creation_timestamp, .format = &format_timestamp),
    LABELS(metadata, labels, .key_format = &format_label_key, .format = &format_label_value),
    LABELS(metadata, annotations, .key_format = &format_not_empty),
    TOLERATED("uid"),
    TOLERATED("resource_version"),
    TOLERATED("generation"),
    TOLERATED("generate_name"),
    TOLERATED("managed_fields"),
    TOLERATED("owner_references"),
    TOLERATED("finalizers"),
    TOLERATED("self_link"),
    TOLERATED("deletion_timestamp"),
    TOLERATED("deletion_grace_period_seconds"),
};
static SCHEMA(metadata);

static const struct field envelope_fields[] = {
    STRING(envelope, api_version),
    STRING(envelope, kind, .flags = FIELD_REQUIRED),
    OBJECT(envelope, metadata, metadata),
    RAW(envelope, spec, .flags = FIELD_REQUIRED),
    RAW(envelope, status),
};
SCHEMA(envelope);
