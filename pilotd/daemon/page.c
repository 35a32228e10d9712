#include "daemon/page.h"

#include "daemon/html_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* Numbers that were added raw (json_out.h) are text for cJSON. */
static double number(const cJSON *object, const char *name)
{
    const cJSON *value = member(object, name);
    if (cJSON_IsRaw(value))
        return strtod(value->valuestring, NULL);
    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

static bool has_number(const cJSON *object, const char *name)
{
    const cJSON *value = member(object, name);
    return cJSON_IsRaw(value) || cJSON_IsNumber(value);
}

static void text_of(struct buf *out, const cJSON *object, const char *name)
{
    html_text(out, json_text(object, name));
}

static void number_of(struct buf *out, const cJSON *object, const char *name)
{
    if (has_number(object, name))
        buf_printf(out, "%.0f", number(object, name));
    else
        buf_text(out, "–");
}

/* ---- words with a colour ---- */

static const char *kind_of_word(const char *word)
{
    static const struct {
        const char *word, *kind;
    } kinds[] = {
        { "serving", "good" },
        { "agreed", "good" },
        { "agrees", "good" },
        { "synced", "good" },
        { "following", "good" },
        { "self", "dull" },
        { "unknown", "dull" },
        { "not sent", "dull" },
        { "starting", "warn" },
        { "draining", "warn" },
        { "stale", "warn" },
        { "connecting", "warn" },
        { "warning", "warn" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (strcmp(word, kinds[i].word) == 0)
            return kinds[i].kind;
    return "bad";
}

static void word_of(struct buf *out, const cJSON *object, const char *name)
{
    const char *word = json_text(object, name);
    if (word && *word)
        html_tag(out, kind_of_word(word), word);
}

/* ---- tables ---- */

struct column {
    const char *title, *sort; /* sort NULL: it cannot be sorted by */
    void (*cell)(struct buf *out, const cJSON *row);
};

/* "?search=…&sort=…&order=…", as an attribute. */
static void query_of(struct buf *out, const cJSON *list, const char *sort, const char *order)
{
    buf_text(out, "?search=");
    html_url(out, json_text(list, "search"));
    if (*sort)
        buf_printf(out, "&amp;sort=%s&amp;order=%s", sort, order);
}

static void write_sort(
    struct buf *out, const struct column *column, const char *path, const cJSON *list)
{
    const char *sort = json_text(list, "sort"), *order = json_text(list, "order");
    bool is_sorted = strcmp(*sort ? sort : "id", column->sort) == 0;
    bool is_descending = strcmp(order, "desc") == 0;
    buf_printf(out,
        "<th scope=\"col\"%s><a href=\"%s",
        !is_sorted      ? ""
        : is_descending ? " aria-sort=\"descending\""
                        : " aria-sort=\"ascending\"",
        path);
    query_of(out, list, column->sort, is_sorted && !is_descending ? "desc" : "asc");
    buf_printf(out, "\">%s</a></th>", column->title);
}

static void write_heads(struct buf *out, const struct column *columns, size_t count,
    const char *path, const cJSON *list)
{
    buf_text(out, "<thead><tr>");
    for (size_t i = 0; i < count; i++)
        if (columns[i].sort)
            write_sort(out, &columns[i], path, list);
        else
            buf_printf(out, "<th scope=\"col\">%s</th>", columns[i].title);
    buf_text(out, "</tr></thead>");
}

/* The first cell names its row. */
static void write_row(struct buf *out, const struct column *columns, size_t count, const cJSON *row)
{
    buf_text(out, "<tr>");
    for (size_t i = 0; i < count; i++) {
        buf_text(out, i == 0 ? "<th scope=\"row\">" : "<td>");
        columns[i].cell(out, row);
        buf_text(out, i == 0 ? "</th>" : "</td>");
    }
    buf_text(out, "</tr>\n");
}

struct table {
    const char *name; /* names the section, and what it is of */
    const struct column *columns;
    size_t count;
    const char *path, *nothing; /* path NULL: it is not in parts */
};

static void write_table(
    struct buf *out, const struct table *table, const cJSON *rows, const cJSON *list)
{
    const cJSON *row;
    if (cJSON_GetArraySize(rows) == 0) {
        buf_printf(out, "<p class=\"none\">%s</p>", table->nothing);
        return;
    }
    buf_printf(out,
        "<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-labelledby=\"%s-title\"><table>",
        table->name);
    write_heads(out, table->columns, table->count, table->path, list);
    buf_text(out, "<tbody>\n");
    cJSON_ArrayForEach (row, rows)
        write_row(out, table->columns, table->count, row);
    buf_text(out, "</tbody></table></div>\n");
}

static void write_link(
    struct buf *out, const char *path, const cJSON *list, double from, const char *title)
{
    buf_printf(out, "<a href=\"%s", path);
    query_of(out, list, json_text(list, "sort"), json_text(list, "order"));
    buf_printf(out, "&amp;limit=%.0f&amp;from=%.0f\">%s</a> ", number(list, "limit"), from, title);
}

/* Which part of the list it is, and links to its neighbours. */
static void write_parts(struct buf *out, const char *name, const char *path, const cJSON *list)
{
    double from = number(list, "from"), limit = number(list, "limit");
    double matching = number(list, "matching"), end = fmin(from + limit, matching);
    buf_printf(out,
        "<nav class=\"parts\" aria-label=\"Parts of %s\"><span>%.0f to %.0f of %.0f",
        name,
        from < matching ? from + 1 : 0,
        from < matching ? end : 0,
        matching);
    if (matching < number(list, "total"))
        buf_printf(out, " that match, of %.0f", number(list, "total"));
    buf_text(out, "</span> ");
    if (from > 0)
        write_link(out, path, list, fmax(0, from - limit), "Previous");
    if (end < matching)
        write_link(out, path, list, end, "Next");
    buf_text(out, "</nav>\n");
}

static void write_search(struct buf *out, const char *name, const char *path, const cJSON *list)
{
    buf_printf(out,
        "<form role=\"search\" aria-label=\"%s\" action=\"%s\" data-for=\"%s\"><label "
        "for=\"%s-search\">Search %s</label> <input type=\"search\" id=\"%s-search\" "
        "name=\"search\" maxlength=\"200\" value=\"",
        name,
        path,
        name,
        name,
        name,
        name);
    html_text(out, json_text(list, "search"));
    buf_text(out, "\"> <button>Search</button></form>\n");
}

/* ---- sections: what the script puts in place anew is their <div id="NAME"> ---- */

static void begin_section(struct buf *out, const char *name, const char *title)
{
    buf_printf(out,
        "<section aria-labelledby=\"%s-title\"><h2 id=\"%s-title\">%s</h2>\n",
        name,
        name,
        title);
}

static void begin_results(struct buf *out, const char *name, const char *path, const cJSON *list)
{
    buf_printf(out, "<div id=\"%s\" data-url=\"%s", name, path);
    if (list) {
        query_of(out, list, json_text(list, "sort"), json_text(list, "order"));
        buf_printf(
            out, "&amp;limit=%.0f&amp;from=%.0f", number(list, "limit"), number(list, "from"));
    }
    buf_text(out, "\">\n");
}

static void end_section(struct buf *out)
{
    buf_text(out, "</div></section>\n");
}

static void write_section(struct buf *out, const struct table *table, const char *title,
    const char *member_name, const cJSON *list)
{
    begin_section(out, table->name, title);
    if (table->path)
        write_search(out, table->name, table->path, list);
    begin_results(out, table->name, table->path ? table->path : "/", table->path ? list : NULL);
    write_table(out, table, member(list, member_name), list);
    if (table->path)
        write_parts(out, table->name, table->path, list);
    end_section(out);
}

/* ---- replicas ---- */

#define CELL(name, function, field)                                                                \
    static void name(struct buf *out, const cJSON *row)                                            \
    {                                                                                              \
        function(out, row, field);                                                                 \
    }
CELL(cell_id, text_of, "id")
CELL(cell_state, word_of, "state")
CELL(cell_version, text_of, "version")
CELL(cell_revision, number_of, "revision")
CELL(cell_agreement, word_of, "agreement")
CELL(cell_lag, number_of, "lag")
CELL(cell_streams, number_of, "streams")
CELL(cell_xds, text_of, "xds")
CELL(cell_admin, text_of, "admin")

enum { HASH_SHOWN = 12 /* digits; the rest is in its title */ };

static void cell_hash(struct buf *out, const cJSON *row)
{
    const char *hash = json_text(row, "hash");
    if (!hash)
        return;
    buf_text(out, "<code title=\"");
    html_text(out, hash);
    buf_text(out, "\">");
    for (size_t i = 0; i < HASH_SHOWN && hash[i]; i++)
        html_text(out, (const char[]){ hash[i], 0 });
    buf_text(out, "</code>");
}

static const struct column replica_columns[] = {
    { "Replica", NULL, cell_id },
    { "State", NULL, cell_state },
    { "Revision", NULL, cell_revision },
    { "Lag", NULL, cell_lag },
    { "Hash", NULL, cell_hash },
    { "Agreement", NULL, cell_agreement },
    { "Streams", NULL, cell_streams },
    { "Version", NULL, cell_version },
    { "xDS", NULL, cell_xds },
    { "Admin", NULL, cell_admin },
};
static const struct table replicas = {
    "replicas", replica_columns, ARRAY_COUNT(replica_columns), NULL, "No replica is known."
};

/* ---- proxies ---- */

CELL(cell_address, text_of, "address")
CELL(cell_agent, text_of, "userAgent")

static void cell_proxy(struct buf *out, const cJSON *row)
{
    buf_text(out, "<a href=\"/debug/config?proxy=");
    html_url(out, json_text(row, "id"));
    buf_text(out, "\">");
    text_of(out, row, "id");
    buf_text(out, "</a>");
}

static void cell_connected(struct buf *out, const cJSON *row)
{
    double seconds = number(row, "connectedSeconds");
    if (seconds < 120)
        buf_printf(out, "%.0f s", seconds);
    else if (seconds < 7200)
        buf_printf(out, "%.0f min", floor(seconds / 60));
    else
        buf_printf(out, "%.0f h", floor(seconds / 3600));
}

/* A refusal is told in the words of the proxy. */
static void cell_types(struct buf *out, const cJSON *row)
{
    const cJSON *type;
    cJSON_ArrayForEach (type, member(row, "types")) {
        const char *state = json_text(type, "state"), *nack = json_text(type, "lastNack");
        if (!state || strcmp(state, "not sent") == 0)
            continue;
        buf_printf(out, "<span class=\"type\"><b>%s</b> ", type->string);
        html_tag(out, kind_of_word(state), state);
        if (strcmp(state, "nacked") == 0) {
            buf_text(out, " ");
            html_text(out, nack);
        }
        buf_text(out, "</span> ");
    }
}

static const struct column proxy_columns[] = {
    { "Proxy", "id", cell_proxy },
    { "State", "state", cell_state },
    { "By type", NULL, cell_types },
    { "Address", "address", cell_address },
    { "Version", "version", cell_agent },
    { "Connected", NULL, cell_connected },
};
static const struct table proxies = {
    "proxies", proxy_columns, ARRAY_COUNT(proxy_columns), "/ui/proxies", "No proxy."
};

/* ---- services ---- */

CELL(cell_namespace, text_of, "namespace")
CELL(cell_endpoints, number_of, "endpoints")

static void cell_host(struct buf *out, const cJSON *row)
{
    buf_text(out, "<a href=\"/debug/endpoints?host=");
    html_url(out, json_text(row, "host"));
    buf_text(out, "\">");
    text_of(out, row, "host");
    buf_text(out, "</a>");
}

static void cell_ports(struct buf *out, const cJSON *row)
{
    const cJSON *port;
    cJSON_ArrayForEach (port, member(row, "ports"))
        buf_printf(out, "%d ", port->valueint);
}

static void cell_health(struct buf *out, const cJSON *row)
{
    static const struct {
        const char *name, *kind;
    } healths[] = { { "healthy", "good" }, { "draining", "warn" }, { "unhealthy", "bad" } };
    for (size_t i = 0; i < ARRAY_COUNT(healths); i++) {
        char text[40];
        double count = number(row, healths[i].name);
        snprintf(text, sizeof text, "%.0f %s", count, healths[i].name);
        if (count > 0)
            html_tag(out, healths[i].kind, text);
    }
    if (number(row, "endpoints") == 0)
        html_tag(out, "bad", "no endpoints");
}

static const struct column service_columns[] = {
    { "Host", NULL, cell_host },
    { "Namespace", NULL, cell_namespace },
    { "Ports", NULL, cell_ports },
    { "Endpoints", NULL, cell_endpoints },
    { "Health", NULL, cell_health },
};
static const struct table services = {
    "services", service_columns, ARRAY_COUNT(service_columns), "/ui/services", "No service."
};

/* ---- what is wrong ---- */

CELL(cell_key, text_of, "key")
CELL(cell_service, text_of, "service")
CELL(cell_instances, number_of, "instances")
CELL(cell_severity, word_of, "severity")
CELL(cell_text, text_of, "text")
CELL(cell_file, text_of, "file")

static void cell_reasons(struct buf *out, const cJSON *row)
{
    const cJSON *reason;
    buf_text(out, "<ul>");
    cJSON_ArrayForEach (reason, member(row, "reasons")) {
        buf_text(out, "<li>");
        html_text(out, reason->valuestring);
        buf_text(out, "</li>");
    }
    if (number(row, "reasonsNotShown") > 0)
        buf_printf(out, "<li>and %.0f more</li>", number(row, "reasonsNotShown"));
    buf_text(out, "</ul>");
}

static void cell_in_force(struct buf *out, const cJSON *row)
{
    bool is_held = cJSON_IsTrue(member(row, "held"));
    html_tag(out, is_held ? "warn" : "bad", is_held ? "the last good one" : "nothing");
}

static const struct column reject_columns[] = {
    { "Key", NULL, cell_key },
    { "Revision", NULL, cell_revision },
    { "In force", NULL, cell_in_force },
    { "Reasons", NULL, cell_reasons },
};
static const struct table rejects = {
    "rejected", reject_columns, ARRAY_COUNT(reject_columns), NULL, "Nothing is rejected."
};

static const struct column hold_columns[] = {
    { "Service", NULL, cell_service },
    { "Instances held", NULL, cell_instances },
};
static const struct table holds = {
    "held", hold_columns, ARRAY_COUNT(hold_columns), NULL, "No instance is held."
};

static const struct column finding_columns[] = {
    { "Key", NULL, cell_key },
    { "Severity", NULL, cell_severity },
    { "Finding", NULL, cell_text },
};
static const struct table findings = {
    "findings", finding_columns, ARRAY_COUNT(finding_columns), NULL, "Nothing was found."
};

static const struct column fault_columns[] = {
    { "File", NULL, cell_file },
    { "Fault", NULL, cell_text },
};
static const struct table faults = {
    "faults", fault_columns, ARRAY_COUNT(fault_columns), NULL, "No file is wrong."
};

/* ---- the graph: as a table; the script draws it above ---- */

static void cell_hosts(struct buf *out, const cJSON *row)
{
    const cJSON *host;
    buf_text(out, "<ul>");
    cJSON_ArrayForEach (host, member(row, "hosts")) {
        buf_text(out, "<li>");
        html_text(out, host->valuestring);
        buf_text(out, "</li>");
    }
    buf_text(out, "</ul>");
}

static void write_destination(struct buf *out, const cJSON *to)
{
    const char *subset = json_text(to, "subset"), *problem = json_text(to, "problem");
    buf_printf(out, "<li><b>%.0f%%</b> ", number(to, "weight"));
    text_of(out, to, "host");
    if (subset) {
        buf_text(out, " subset <b>");
        html_text(out, subset);
        buf_text(out, "</b>");
    }
    buf_text(out, " ");
    if (problem)
        html_tag(out, "bad", problem);
    else
        cell_health(out, to);
    buf_text(out, "</li>");
}

static void write_rule(struct buf *out, const cJSON *rule)
{
    const char *name = json_text(rule, "name");
    const cJSON *item;
    const char *separator = "";
    buf_text(out, "<li>");
    html_text(out, name && *name ? name : "rule");
    buf_text(out, ": ");
    cJSON_ArrayForEach (item, member(rule, "match")) {
        buf_text(out, separator);
        html_text(out, item->valuestring);
        separator = " or ";
    }
    buf_text(out, *separator ? " → " : "everything → ");
    if (cJSON_GetArraySize(member(rule, "to")) == 0)
        text_of(out, rule, "action");
    buf_text(out, "<ul>");
    cJSON_ArrayForEach (item, member(rule, "to"))
        write_destination(out, item);
    buf_text(out, "</ul></li>");
}

static void cell_rules(struct buf *out, const cJSON *row)
{
    const cJSON *rule;
    buf_text(out, "<ol>");
    cJSON_ArrayForEach (rule, member(row, "rules"))
        write_rule(out, rule);
    buf_text(out, "</ol>");
    if (number(row, "rulesNotShown") > 0)
        buf_printf(out, "<p>and %.0f more</p>", number(row, "rulesNotShown"));
}

static const struct column graph_columns[] = {
    { "VirtualService", NULL, cell_key },
    { "Hosts", NULL, cell_hosts },
    { "Rules, in order, and where they lead", NULL, cell_rules },
};
static const struct table graph = {
    "routes", graph_columns, ARRAY_COUNT(graph_columns), "/ui/routes", "No route is declared."
};

/* ---- the whole ---- */

/* How far a replica is behind the newest that is known. */
static void add_lags(cJSON *list, double newest)
{
    cJSON *replica;
    cJSON_ArrayForEach (replica, list)
        if (has_number(replica, "revision"))
            newest = fmax(newest, number(replica, "revision"));
    cJSON_ArrayForEach (replica, list)
        if (has_number(replica, "revision"))
            cJSON_AddNumberToObject(replica, "lag", newest - number(replica, "revision"));
}

static void write_fact(struct buf *out, const char *title, const cJSON *object, const char *name,
    void (*write)(struct buf *, const cJSON *, const char *))
{
    buf_printf(out, "<div><dt>%s</dt><dd>", title);
    write(out, object, name);
    buf_text(out, "</dd></div>");
}

static void write_problem(struct buf *out, const cJSON *object, const char *name)
{
    const char *problem = json_text(object, name);
    if (!problem || !*problem)
        return;
    buf_text(out, "<p class=\"problem\">");
    html_text(out, problem);
    buf_text(out, "</p>");
}

static void write_summary(struct buf *out, const cJSON *status)
{
    begin_section(out, "summary", "This replica");
    begin_results(out, "summary", "/", NULL);
    buf_text(out, "<dl>");
    write_fact(out, "State", status, "state", word_of);
    write_fact(out, "Replicas", status, "agreement", word_of);
    write_fact(out, "Revision", status, "revision", number_of);
    write_fact(out, "Proxies", status, "proxies", number_of);
    write_fact(out, "Store", member(status, "store"), "state", word_of);
    write_fact(out, "Rejected", status, "rejectedCount", number_of);
    write_fact(out, "Held services", status, "heldCount", number_of);
    write_fact(out, "Findings", status, "findingCount", number_of);
    write_fact(out, "Version", status, "version", text_of);
    buf_text(out, "</dl>");
    write_problem(out, status, "problem");
    write_problem(out, status, "epochProblem");
    write_problem(out, member(status, "store"), "problem");
    end_section(out);
}

static void write_status(struct buf *out, const cJSON *status)
{
    cJSON *copy = cJSON_Duplicate(status, true);
    add_lags(cJSON_GetObjectItemCaseSensitive(copy, "replicas"),
        number(member(status, "store"), "revision"));
    write_summary(out, copy);
    write_section(out, &replicas, "Replicas", "replicas", copy);
    write_section(out, &rejects, "Rejected resources", "rejected", copy);
    write_section(out, &holds, "Holds in force", "held", copy);
    write_section(out, &findings, "Findings", "findings", copy);
    if (cJSON_GetArraySize(member(copy, "faults")) > 0)
        write_section(out, &faults, "Faults of files", "faults", copy);
    cJSON_Delete(copy);
}

static void write_content(struct buf *out, const struct page *page)
{
    buf_printf(out, "<h1>%s</h1>\n", page->title);
    if (page->is_partial)
        buf_text(out,
            "<p class=\"problem\">A serving loop does not answer: proxies are missing "
            "below.</p>");
    if (page->status)
        write_status(out, page->status);
    if (page->proxies)
        write_section(out, &proxies, "Proxies", "proxies", page->proxies);
    if (page->services)
        write_section(out, &services, "Services", "services", page->services);
    if (page->graph)
        write_section(out, &graph, "Routes", "routes", page->graph);
}

static void write_links(struct buf *out, const struct page *page)
{
    static const struct {
        const char *path, *title;
    } links[] = {
        { "/", "Overview" },
        { "/ui/proxies", "Proxies" },
        { "/ui/services", "Services" },
        { "/ui/routes", "Routes" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(links); i++)
        buf_printf(out,
            "<a href=\"%s\"%s>%s</a>\n",
            links[i].path,
            strcmp(links[i].path, page->path) == 0 ? " aria-current=\"page\"" : "",
            links[i].title);
}

static void write_id(struct buf *out, const struct page *page)
{
    html_text(out, page->id);
}

/* page/page.html with its {{marks}} filled in; it is text of our own. */
void page_render(struct buf *out, const struct page *page)
{
    static const struct {
        const char *mark;
        void (*write)(struct buf *out, const struct page *page);
    } marks[] = {
        { "id}}", write_id }, { "links}}", write_links }, { "content}}", write_content }
    };
    const struct page_file *frame = page_file_find("/ui/page.html");
    const char *at = (const char *)frame->bytes, *end;
    while ((end = strstr(at, "{{"))) {
        buf_append(out, at, (size_t)(end - at));
        at = end + 2;
        for (size_t i = 0; i < ARRAY_COUNT(marks); i++)
            if (begins_with(end + 2, marks[i].mark)) {
                marks[i].write(out, page);
                at += strlen(marks[i].mark);
            }
    }
    buf_text(out, at);
}

const struct page_file *page_file_find(const char *path)
{
    for (size_t i = 0; i < page_file_count; i++)
        if (strcmp(path, page_files[i].path) == 0)
            return &page_files[i];
    return NULL;
}
