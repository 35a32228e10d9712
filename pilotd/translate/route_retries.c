#include "translate/route_retries.h"

#include <string.h>

enum { USUAL_RETRIES = 2, HOST_SELECTION_ATTEMPTS = 5, PRIORITY_UPDATE_FREQUENCY = 2 };
enum { LOWEST_STATUS = 100, HIGHEST_STATUS = 599 };

static const char usual_conditions[] =
    "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
static const char by_status_code[] = "retriable-status-codes";

/* ---- retryOn: conditions by name, and status codes among them ---- */

typedef LIST(uint32_t) status_list;

struct conditions {
    const char *names;
    status_list statuses;
};

static uint32_t parse_status(const char *item)
{
    if (strlen(item) != 3 || strspn(item, "0123456789") != 3)
        return 0;
    uint32_t status = (uint32_t)atoi(item);
    return status >= LOWEST_STATUS && status <= HIGHEST_STATUS ? status : 0;
}

static void push_condition(struct arena *a, struct conditions *c, const char *item)
{
    uint32_t status = parse_status(item);
    if (status)
        list_push(a, &c->statuses, status);
    else if (*item)
        c->names = *c->names ? arena_printf(a, "%s,%s", c->names, item) : item;
}

static struct conditions parse_conditions(struct arena *a, const char *retry_on)
{
    struct conditions c = { .names = "" };
    char *rest = arena_strdup(a, retry_on);
    for (char *item; (item = strsep(&rest, ","));) {
        item += strspn(item, " \t");
        item[strcspn(item, " \t")] = '\0';
        push_condition(a, &c, item);
    }
    if (c.statuses.count > 0 && !strstr(c.names, by_status_code))
        push_condition(a, &c, by_status_code);
    return c;
}

/* ---- the policy ---- */

static pb_RetryPolicy_RetryHostPredicate *previous_hosts(struct arena *a)
{
    return pb_new_RetryPolicy_RetryHostPredicate(a,
        .name = pb_str("envoy.retry_host_predicates.previous_hosts"),
        pb_RetryPolicy_RetryHostPredicate_typed_config(
            pb_any(a, &pb_new_PreviousHostsPredicate(a)->base)));
}

static pb_RetryPolicy_RetryPriority *previous_priorities(struct arena *a)
{
    pb_PreviousPrioritiesConfig *config =
        pb_new_PreviousPrioritiesConfig(a, .update_frequency = PRIORITY_UPDATE_FREQUENCY);
    return pb_new_RetryPolicy_RetryPriority(a,
        .name = pb_str("envoy.retry_priorities.previous_priorities"),
        pb_RetryPolicy_RetryPriority_typed_config(pb_any(a, &config->base)));
}

static pb_RetryPolicy_RetryBackOff *back_off(struct arena *a, struct duration base)
{
    return pb_new_RetryPolicy_RetryBackOff(a, .base_interval = pb_millis(a, base.ms));
}

static pb_RetryPolicy *policy(
    struct arena *a, uint32_t retries, const struct conditions *c, bool avoids_previous_hosts)
{
    pb_RetryPolicy *out = pb_new_RetryPolicy(a,
        .retry_on = pb_str(c->names),
        PB_LIST(retriable_status_codes, c->statuses.count, c->statuses.items),
        .num_retries = pb_u32(a, retries),
        .host_selection_retry_max_attempts = HOST_SELECTION_ATTEMPTS);
    if (avoids_previous_hosts) {
        LIST(pb_RetryPolicy_RetryHostPredicate *) predicates = { 0 };
        list_push(a, &predicates, previous_hosts(a));
        out->n_retry_host_predicate = predicates.count;
        out->retry_host_predicate = predicates.items;
    }
    return out;
}

pb_RetryPolicy *retry_policy_build(struct arena *a, const struct http_retry *retry, bool is_hashed)
{
    struct conditions c = { .names = usual_conditions };
    if (!retry)
        return policy(a, USUAL_RETRIES, &c, !is_hashed);
    if (retry->attempts == 0)
        return NULL;
    if (retry->retry_on && *retry->retry_on)
        c = parse_conditions(a, retry->retry_on);
    struct opt_bool ignore = retry->retry_ignore_previous_hosts;
    pb_RetryPolicy *out = policy(a, retry->attempts, &c, ignore.is_set ? ignore.value : !is_hashed);
    if (retry->per_try_timeout.is_set)
        out->per_try_timeout = pb_millis(a, retry->per_try_timeout.ms);
    if (retry->retry_remote_localities.is_set && retry->retry_remote_localities.value)
        out->retry_priority = previous_priorities(a);
    if (retry->backoff.is_set)
        out->retry_back_off = back_off(a, retry->backoff);
    return out;
}
