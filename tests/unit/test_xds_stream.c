/*
 * xds_stream: conversations, written down. Each is a script of lines:
 *
 *   view C:a=1 E:a=1      the newest view
 *   preview C:a=1         one that is to be compared with alone
 *   > C +a -b c=1 …       a request for clusters: subscribe a, unsubscribe b, c is held at c=1
 *                         (endpoints c=1/c=2: and were sent for the cluster c=2);
 *                         ack, nack: answers the last response of that type; stale: one before it;
 *                         v: (SotW) version_info is that of the last response; again: a new stream,
 *                         which the versions of the last one survive (noview: it has no view yet)
 *   late                  the proxy never asked for endpoints: who drives stops the waiting
 *   joined, joining       whether it has its first configuration
 *   resumed, newcomer     whether it came with nearly all of what the view has
 *   clock 7               what time it is
 *   is C:a=synced@7 …     what each resource is at, and when it was sent; of a refused one also
 *                         "(why@when)"
 *   < C a=1 -b            what must have come out since, in this order and nothing else;
 *                         a= is an assignment without endpoints
 */
#include "xds/stream.h"
#include "xds_views.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct conversation {
    const char *name;
    enum xds_variant variant;
    const char *script;
};

/* A proxy that has a table in two parts. */
#define SPLIT_TABLE                                                                                \
    "view R:r=1 V:r/a=1 V:r/b=1\n> R +r\n< R r=1\n> V\n> R ack\n< V r/a=1 r/b=1 -r/none\n> V "     \
    "ack\n"

static const struct conversation conversations[] = {
    { "test_delta_sends_clusters_endpoints_listeners_routes_in_this_order",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1 R:r=1\n"
        "> C\n< C a=1\n> L\n> E +a\n< E a=1\n> R +r\n"
        "> C ack\n> E ack\n< L l=1\n> L ack\n< R r=1\n> R ack\n" },
    { "test_sotw_sends_clusters_endpoints_listeners_routes_in_this_order",
        XDS_SOTW,
        "view C:a=1 E:a=1 L:l=1 R:r=1\n"
        "> C\n< C a=1\n> L\n> E +a\n< E a=1\n> R +r\n"
        "> C ack\n> E ack +a\n< L l=1\n> L ack\n< R r=1\n> R ack +r\n" },
    { "test_who_starts_has_joined_once_its_listeners_are_taken",
        XDS_DELTA,
        "joining\nview C:a=1 E:a=1 L:l=1 R:r=1\njoining\n> C\n< C a=1\njoining\n> C ack\njoining\n"
        "> E +a\n< E a=1\n> L\njoining\n> E ack\n< L l=1\njoining\n> L ack\njoined\n" },
    { "test_who_comes_back_with_everything_has_joined_at_one_acknowledgement",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1 R:r=1\n> C a=1\n< C\n> L l=1\n> E +a a=1/a=1\n> R +r r=1\n"
        "joining\n> C ack\njoined\n" },
    { "test_sotw_who_comes_back_with_everything_has_joined_without_an_answer",
        XDS_SOTW,
        "view C:a=1 L:l=1\n> C\n< C a=1\n> C ack\n> L\n< L l=1\n> L ack\njoined\n"
        "> C again v\njoining\n> L v\njoined\n" },
    { "test_who_refuses_its_first_configuration_has_joined",
        XDS_DELTA,
        "view C:a=1 L:l=1\n> C\n< C a=1\n> L\n> C nack\n< L l=1\njoining\n> L nack\njoined\n" },
    { "test_what_was_asked_before_the_first_view_is_remembered",
        XDS_DELTA,
        "> C\n> E +a\nview C:a=1 E:a=1\n< C a=1\n< E a=1\n" },
    { "test_delta_says_nothing_when_another_types_resources_change",
        XDS_DELTA,
        "view C:a=1 L:l=1\n> C\n< C a=1\n> C ack\nview C:a=1 L:l=2 R:r=1\n" },
    { "test_a_refused_version_is_not_sent_again_and_a_later_one_is",
        XDS_DELTA,
        "view C:a=1\n> C\n< C a=1\n> C nack\nview C:a=1 C:b=1\n< C b=1\n> C ack\n"
        "view C:a=2 C:b=1\n< C a=2\n" },
    { "test_sotw_a_refused_set_is_not_sent_again_and_a_later_one_is",
        XDS_SOTW,
        "view C:a=1\n> C\n< C a=1\n> C nack\nview C:a=1 L:l=1\nview C:a=2\n< C a=2\n" },
    { "test_after_a_refusal_the_former_version_is_sent_when_it_is_wanted_again",
        XDS_DELTA,
        "view C:a=1\n> C\n< C a=1\n> C ack\nview C:a=2\n< C a=2\n> C nack\nview C:a=1\n< C a=1\n" },
    { "test_while_one_is_in_flight_only_the_newest_state_waits",
        XDS_DELTA,
        "view C:a=1\n> C\n< C a=1\nview C:a=2\nview C:a=3 C:b=1\nview C:a=4\n> C ack\n< C a=4\n" },
    { "test_a_change_that_was_undone_while_in_flight_is_not_sent",
        XDS_DELTA,
        "view C:a=1\n> C\n< C a=1\nview C:a=2\nview C:a=1\n> C ack\n" },
    { "test_delta_resume_sends_no_resource_and_one_empty_response",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1 R:r=1\n"
        "> C a=1\n< C\n> L l=1\n> E +a a=1/a=1\n> R +r r=1\n> C ack\n" },
    { "test_delta_resume_before_the_view_is_one_empty_response_too",
        XDS_DELTA,
        "> C a=1\n> L l=1\nview C:a=1 L:l=1\n< C\n> C ack\n" },
    { "test_delta_resume_sends_what_differs_and_removes_what_is_gone",
        XDS_DELTA,
        "view C:a=2 C:b=1 C:d=1\n> C a=1 b=1 c=1\n< C a=2 d=1\n> C ack\n< C -c\n> C ack\n" },
    { "test_delta_resume_with_versions_of_another_server_is_sent_all",
        XDS_DELTA,
        "view C:a=1\n> C a=other\n< C a=1\n" },
    { "test_whether_a_proxy_is_a_newcomer_shows_in_what_it_comes_with",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1 R:r=1\nnewcomer\n> C a=1\n< C\nresumed\n" },
    { "test_nothing_is_sent_of_a_preview",
        XDS_DELTA,
        "preview C:a=1 E:a=1\n> C\n> E +a\npreview C:a=2 E:a=1\nview C:a=3 E:a=1\n"
        "< C a=3\n< E a=1\n" },
    { "test_what_differs_from_the_view_is_sent_whatever_the_preview_was",
        XDS_DELTA,
        "preview C:a=1 C:b=1 C:d=1\n> C a=1 b=2 c=1\nview C:a=2 C:b=2 C:d=1\n< C a=2 d=1\n"
        "> C ack\n< C -c\n> C ack\n" },
    { "test_sotw_a_version_is_held_against_the_view_after_the_preview",
        XDS_SOTW,
        "view C:a=1 L:l=1\n> C\n< C a=1\n> C ack\n> C again noview v\npreview C:a=1 L:l=1\n"
        "view C:a=1 C:b=1 L:l=1\n< C a=1 b=1\n" },
    { "test_who_lacks_few_is_resumed", XDS_DELTA, "view C:a=1 C:b=1\n> C a=1\n< C b=1\nresumed\n" },
    { "test_sotw_nobody_is_resumed",
        XDS_SOTW,
        "view C:a=1\n> C\n< C a=1\n> C ack\n> C again v\nnewcomer\n" },
    { "test_endpoints_are_sent_again_where_their_cluster_was_before_they_were_asked_for",
        XDS_DELTA,
        "view C:a=2 C:b=1 E:a=1 E:b=1\n> C a=1 b=1\n< C a=2\n> E +a +b a=1/a=2 b=1/b=1\n"
        "< E a=1\n" },
    { "test_wildcard_stays_wildcard_when_it_comes_with_versions",
        XDS_DELTA,
        "view C:a=1\n> C a=1\n< C\n> C ack\nview C:a=1 C:new=1\n< C new=1\n" },
    { "test_delta_wildcard_without_any_resource_is_answered",
        XDS_DELTA,
        "view C:a=1\n> C\n< C a=1\n> C ack\n> L\n< L\n> L ack\n" },
    { "test_delta_explicit_wildcard_and_names_live_together",
        XDS_DELTA,
        "view C:a=1 C:b=1\n> C +* +a +x\n< C a=1 b=1 -x\n> C ack\nview C:a=1 C:b=2\n< C b=2\n"
        "> C ack\n> C -*\nview C:a=2 C:b=3\n< C a=2\n" },
    { "test_delta_what_the_wildcard_still_covers_is_sent_after_an_unsubscribe",
        XDS_DELTA,
        "view C:a=1\n> C +* +a\n< C a=1\n> C ack\n> C -a\n< C a=1\n> C ack\n" },
    { "test_delta_without_the_wildcard_nothing_more_comes_not_even_removals",
        XDS_DELTA,
        "view C:a=1 C:b=1\n> C +* +b\n< C a=1 b=1\n> C ack\n> C -*\nview C:b=1\n" },
    { "test_delta_named_subscriptions_come_and_go",
        XDS_DELTA,
        "view E:a=1 E:b=1\n> E +a\n< E a=1\n> E ack +b\n< E b=1\n> E ack -a\n"
        "view E:a=2 E:b=1\nview E:a=3 E:b=2\n< E b=2\n" },
    { "test_delta_a_repeated_subscription_is_sent_again",
        XDS_DELTA,
        "view E:a=1\n> E +a +x\n< E a=1 -x\n> E ack\n> E +a\n< E a=1\n> E ack\n> E +x\n< E -x\n" },
    { "test_delta_unsubscribed_and_asked_again_is_sent_again",
        XDS_DELTA,
        "view E:a=1\n> E +a\n< E a=1\n> E ack -a\n> E +a\n< E a=1\n" },
    { "test_delta_unknown_names_are_told_once_and_sent_when_they_appear",
        XDS_DELTA,
        "view E:a=1\n> E +x\n< E -x\n> E ack\nview E:a=2\nview E:x=1\n< E x=1\n> E ack\n"
        "view E:a=2\n< E -x\n> E ack\nview E:x=1\n< E x=1\n" },
    { "test_sotw_unknown_names_are_answered_once_and_sent_when_they_appear",
        XDS_SOTW,
        "view E:a=1\n> E +x\n< E\n> E ack +x\nview E:a=2\nview E:x=1\n< E x=1\n" },
    { "test_endpoints_of_a_changed_cluster_are_sent_again",
        XDS_DELTA,
        "view C:a=1 C:b=1 E:a=1 E:b=1\n> C\n< C a=1 b=1\n> C ack\n> E +a +b\n< E a=1 b=1\n"
        "> E ack\nview C:a=2 C:b=1 E:a=1 E:b=1\n< C a=2\n< E a=1\n> E ack\n> C ack\n" },
    { "test_sotw_endpoints_of_the_changed_cluster_alone_are_sent_again",
        XDS_SOTW,
        "view C:a=1 C:b=1 E:a=1 E:b=1\n> C\n< C a=1 b=1\n> C ack\n> E +a +b\n< E a=1 b=1\n"
        "> E ack +a +b\nview C:a=2 C:b=1 E:a=1 E:b=1\n< C a=2 b=1\n< E a=1\n> C ack\n" },
    { "test_delta_resume_warms_a_cluster_that_came_before_its_endpoints",
        XDS_DELTA,
        "view C:a=2 C:b=1 E:a=1 E:b=1\n> C a=2 b=1\n< C\n> E +a +b a=1/a=1 b=1/b=1\n< E a=1\n" },
    { "test_delta_resume_warms_the_clusters_that_differ",
        XDS_DELTA,
        "view C:a=2 C:b=1 E:a=1 E:b=1\n> C a=1 b=1\n< C a=2\n> E +a +b a=1/a=1 b=1/b=1\n"
        "< E a=1\n> E ack\n> C ack\n" },
    { "test_removals_come_last_and_in_reverse",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1 R:r=1\n> C\n< C a=1\n> C ack\n> E +a\n< E a=1\n> E ack\n"
        "> L\n< L l=1\n> L ack\n> R +r\n< R r=1\n> R ack\n"
        "view C:b=1 L:m=1\n< C b=1\n> C ack\n< L m=1\n> L ack\n< L -l\n> L ack\n< R -r\n> R ack\n"
        "< C -a\n> C ack\n< E -a\n> E ack\n" },
    { "test_a_cluster_that_comes_back_before_its_removal_was_never_gone",
        XDS_DELTA,
        "view C:a=1 R:r=1\n> C\n< C a=1\n> C ack\n> R +r\n< R r=1\n> R ack\n"
        "view C:b=1 R:r=2\n< C b=1\nview C:a=1 R:r=1\n> C ack\n< C -b\n> C ack\n" },
    { "test_clusters_stay_while_a_route_is_refused",
        XDS_DELTA,
        "view C:a=1 R:r=1\n> C\n< C a=1\n> C ack\n> R +r\n< R r=1\n> R ack\n"
        "view C:b=1 R:r=2\n< C b=1\n> C ack\n< R r=2\n> R nack\n"
        "view C:b=1 R:r=3\n< R r=3\n> R ack\n< C -a\n> C ack\n" },
    { "test_sotw_a_refusal_is_forgotten_when_a_later_set_is_taken",
        XDS_SOTW,
        "view C:a=1 L:l=1 L:m=1\n> C\n< C a=1\n> C ack\n> L\n< L l=1 m=1\n> L ack\n"
        "view C:b=1 L:l=2 L:m=1\n< C a=1 b=1\n> C ack\n< L l=2 m=1\n> L nack\n"
        "view C:b=1 L:l=3 L:m=1\n< L l=3 m=1\n> L ack\n< C b=1\n> C ack\n" },
    { "test_listeners_wait_until_the_endpoints_of_new_clusters_were_asked_for",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1\n> C\n< C a=1\n> C ack\n> E +a\n< E a=1\n> E ack\n> L\n< L l=1\n"
        "> L ack\nview C:a=1 C:b=1 E:a=1 E:b=1 L:l=2\n< C b=1\n> C ack\n> E +b\n< E b=1\n> E ack\n"
        "< L l=2\n" },
    { "test_listeners_wait_no_longer_when_the_waiting_is_stopped",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1\n> C\n< C a=1\n> C ack\n> E +a\n< E a=1\n> E ack\n> L\n< L l=1\n"
        "> L ack\nview C:a=1 C:b=1 E:a=1 E:b=1 L:l=2\n< C b=1\n> C ack\nlate\n< L l=2\n" },
    { "test_sotw_an_acknowledgement_of_endpoints_does_not_end_the_waiting",
        XDS_SOTW,
        "view C:a=1 E:a=1 L:l=1\n> C\n< C a=1\n> C ack\n> E +a\n< E a=1\n> E ack +a\n> L\n"
        "< L l=1\n> L ack\nview C:a=1 E:a=2 L:l=1\n< E a=2\n"
        "view C:a=1 C:b=1 E:a=2 E:b=1 L:l=2\n< C a=1 b=1\n> C ack\n> E ack +a\n> E +a +b\n"
        "< E b=1\n> E ack +a +b\n< L l=2\n" },
    { "test_a_cluster_without_endpoints_of_its_own_is_not_waited_for",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1\n> C\n< C a=1\n> C ack\n> E +a\n< E a=1\n> E ack\n> L\n< L l=1\n"
        "> L ack\nview C:a=1 C:dns=1 E:a=1 L:l=2\n< C dns=1\n> C ack\n< L l=2\n" },
    { "test_sotw_first_the_union_then_without_what_went",
        XDS_SOTW,
        "view C:a=1 L:l=1 R:r=1\n> C\n< C a=1\n> C ack\n> L\n< L l=1\n> L ack\n> R +r\n< R r=1\n"
        "> R ack +r\nview C:b=1 L:l=1 R:r=2\n< C a=1 b=1\n> C ack\n< R r=2\n> R ack +r\n"
        "< C b=1\n> C ack\n" },
    { "test_sotw_resume_from_the_union_is_sent_the_view",
        XDS_SOTW,
        "view C:a=1 R:r=1\n> C\n< C a=1\n> C ack\n> R +r\n< R r=1\n> R ack +r\n"
        "view C:b=1 R:r=2\n< C a=1 b=1\n> C v again\n< C b=1\n" },
    { "test_endpoints_never_wait_for_the_acknowledgement_that_waits_for_them",
        XDS_DELTA,
        "view C:a=1 E:a=1 L:l=1\n> C\n< C a=1\n> E +a\n< E a=1\n> C ack\n> E ack\n> L\n"
        "< L l=1\n> L ack\nview C:a=1 C:b=1 E:a=1 E:b=1 L:l=2\n< C b=1\n> E +b\n< E b=1\n"
        "> E ack\n> C ack\n< L l=2\n" },
    { "test_sotw_resume_at_an_equal_version_is_silent_for_clusters_and_listeners_alone",
        XDS_SOTW,
        "view C:a=1 E:a=1 L:l=1 R:r=1\n> C\n< C a=1\n> C ack\n> E +a\n< E a=1\n> E ack +a\n> L\n"
        "< L l=1\n> L ack\n> R +r\n< R r=1\n> R ack +r\n"
        "> C v again\n> L v\n> E v +a\n< E a=1\n> E ack +a\n> R v +r\n< R r=1\n> R ack +r\n"
        "view C:a=2 E:a=1 L:l=2 R:r=1\n< C a=2\n< E a=1\n> E ack +a\n> C ack\n< L l=2\n" },
    { "test_sotw_resume_before_the_view_is_silent_too",
        XDS_SOTW,
        "view C:a=1\n> C\n< C a=1\n> C v again noview\nview C:a=1\nview C:a=2\n< C a=2\n" },
    { "test_sotw_resume_with_names_is_answered",
        XDS_SOTW,
        "view C:a=1 C:b=1\n> C\n< C a=1 b=1\n> C v again noview +* +b\nview C:a=1 C:b=1\n"
        "< C a=1 b=1\n" },
    { "test_sotw_a_named_set_is_whole_each_time",
        XDS_SOTW,
        "view C:a=1 C:b=1 C:c=1\n> C +a +b\n< C a=1 b=1\n> C ack +a +b\nview C:a=2 C:b=1 C:c=1\n"
        "< C a=2 b=1\n> C ack +a\nview C:a=2 C:b=2 C:c=2\n> C +a +c\n< C a=2 c=2\n" },
    { "test_sotw_a_stale_nonce_is_ignored",
        XDS_SOTW,
        "view E:a=1 E:b=1\n> E +a\n< E a=1\n> E ack +a\nview E:a=2 E:b=1\n< E a=2\n> E stale +b\n"
        "> E ack +a +b\n< E b=1\n" },
    { "test_delta_a_stale_nonce_still_subscribes",
        XDS_DELTA,
        "view E:a=1 E:b=1\n> E +a\n< E a=1\n> E ack\nview E:a=2 E:b=1\n< E a=2\n> E stale +b\n"
        "> E ack\n< E b=1\n" },
    { "test_a_stale_refusal_refuses_nothing",
        XDS_DELTA,
        "view E:a=1\n> E +a\n< E a=1\n> E ack\nview E:a=2\n< E a=2\n> E stale nack\n> E ack\n"
        "view E:a=3\n< E a=3\n" },
    { "test_sotw_a_cluster_whose_endpoints_have_gone_is_told_that_there_are_none",
        XDS_SOTW,
        "view C:a=1 E:a=1\n> C\n< C a=1\nview C:b=1\n> E +a\n< E a=\n> E ack +a\n"
        "> C ack\n< C a=1 b=1\n" },
    { "test_sotw_a_changed_cluster_whose_endpoints_have_gone_is_told_the_former_ones",
        XDS_SOTW,
        "view C:a=1 E:a=1 E:b=1\n> C\n< C a=1\n> C ack\n> E +a +b\n< E a=1 b=1\n"
        "view C:a=2 E:a=1 E:b=1\n< C a=2\nview E:b=1\n> E ack +a +b\n< E a=1\n" },
    { "test_delta_a_changed_cluster_whose_endpoints_have_gone_is_told_the_former_ones",
        XDS_DELTA,
        "view C:a=1 E:a=1 E:b=1\n> C\n< C a=1\n> C ack\n> E +a +b\n< E a=1 b=1\n"
        "view C:a=2 E:a=1 E:b=1\n< C a=2\nview E:b=1\n> E ack\n< E a=1\n> E ack\n"
        "> C ack\n< C -a\n> C ack\n< E -a\n" },
    { "test_delta_a_cluster_that_comes_and_goes_is_told_that_it_has_no_endpoints",
        XDS_DELTA,
        "view C:a=1 E:a=1\n> C\n< C a=1\nview C:b=1\n> E +a\n< E -a\n> E ack\n"
        "> C ack\n< C b=1\n> C ack\n< C -a\n" },
    { "test_delta_a_cluster_whose_endpoints_were_denied_before_it_came_is_told_again",
        XDS_DELTA,
        "view C:b=1 E:b=1\n> C\n< C b=1\n> C ack\n> E +b +a\n< E b=1 -a\n"
        "view C:a=1 C:b=1 E:a=1 E:b=1\n< C a=1\nview C:b=1 E:b=1\n> E ack\n< E -a\n> E ack\n"
        "> C ack\n< C -a\n" },
    { "test_sotw_endpoints_that_go_are_not_spoken_of",
        XDS_SOTW,
        "view E:a=1 E:b=1\n> E +a +b\n< E a=1 b=1\n> E ack +a +b\nview E:a=1\nview E:a=1 E:b=1\n"
        "view E:a=1 E:b=2\n< E b=2\n" },
    { "test_status_knows_what_each_resource_is_at_and_since_when",
        XDS_DELTA,
        "clock 5\nis\nview C:a=1 C:b=1 E:a=1\n> C\n< C a=1 b=1\n> E +a +x\n< E a=1 -x\n"
        "is C:a=stale@5 C:b=stale@5 E:a=stale@5 E:x=not-sent\n> C ack\n> E ack\n"
        "is C:a=synced@5 C:b=synced@5 E:a=synced@5 E:x=not-sent\n"
        "clock 6\nview C:a=1 C:b=2 C:c=1 E:a=1\n< C b=2 c=1\n"
        "is C:a=synced@5 C:b=stale@6 C:c=stale@6 E:a=synced@5 E:x=not-sent\n"
        "clock 7\nview C:a=1 C:b=2 C:c=2 C:d=1 E:a=1\n"
        "is C:a=synced@5 C:b=stale@6 C:c=stale@6 C:d=not-sent E:a=synced@5 E:x=not-sent\n"
        "> C ack\n< C c=2 d=1\n> C ack\n"
        "is C:a=synced@5 C:b=synced@6 C:c=synced@7 C:d=synced@7 E:a=synced@5 E:x=not-sent\n" },
    { "test_status_keeps_each_refusal_apart",
        XDS_DELTA,
        "clock 5\nview C:a=1 C:b=1\n> C\n< C a=1 b=1\n> C ack\n"
        "view C:a=2 C:b=1\n< C a=2\nclock 6\n> C nack\n"
        "is C:a=refused@5(no@6) C:b=synced@5\n"
        "view C:a=2 C:b=2\n< C b=2\nclock 8\n> C nack\n"
        "is C:a=refused@5(no@6) C:b=refused@6(no@8)\n"
        "view C:a=3 C:b=2\n< C a=3\nis C:a=stale@8 C:b=refused@6(no@8)\n> C ack\n"
        "is C:a=synced@8 C:b=refused@6(no@8)\n" },
    { "test_status_of_who_comes_back_has_no_time_for_what_it_brought",
        XDS_DELTA,
        "clock 5\nview C:a=1 C:b=1 E:a=1\n> C a=1 b=7\n< C b=1\n> E +a +b a=1/a=1\n< E -b\n"
        "is C:a=synced C:b=stale@5 E:a=synced E:b=not-sent\n" },
    { "test_status_of_state_of_the_world_and_of_what_is_asked_for_later",
        XDS_SOTW,
        "clock 5\nview C:a=1 C:b=1 E:a=1 E:b=1\n> C\n< C a=1 b=1\n> C ack\n> E +b\n< E b=1\n"
        "is C:a=synced@5 C:b=synced@5 E:b=stale@5\nclock 6\n> E ack +b +a\n< E a=1\n"
        "is C:a=synced@5 C:b=synced@5 E:a=stale@6 E:b=synced@5\n" },
    { "test_hosts_follow_the_acknowledgement_of_their_table_all_in_one_response",
        XDS_DELTA,
        "view R:r=1 V:r/a=1 V:r/b=1 V:s/a=1\n> R +r\n< R r=1\n> V\n> R ack\n"
        "< V r/a=1 r/b=1 -r/none\n> V ack\n" },
    { "test_a_changed_host_goes_alone",
        XDS_DELTA,
        SPLIT_TABLE "view R:r=1 V:r/a=1 V:r/b=2\n< V r/b=2\n> V ack\n" },
    { "test_hosts_that_come_and_go_do_so_in_one_response",
        XDS_DELTA,
        SPLIT_TABLE "view R:r=1 V:r/b=2 V:r/c=1\n< V r/b=2 r/c=1 -r/a\n> V ack\n" },
    { "test_each_response_of_hosts_is_about_one_table",
        XDS_DELTA,
        "view R:r=1 R:s=1 V:r/a=1 V:r/x/a=1 V:s/a=1 R:r/x=1\n> R +r +s +r/x\n"
        "< R r=1 r/x=1 s=1\n> V\n> R ack\n< V r/a=1 -r/none\n> V ack\n"
        "< V r/x/a=1 -r/x/none\n> V ack\n< V s/a=1 -s/none\n> V ack\n" },
    { "test_a_table_without_hosts_is_put_into_force_by_the_removal_of_none",
        XDS_DELTA,
        "view R:r=1\n> R +r\n< R r=1\n> V\n> R ack\n< V -r/none\n> V ack\n"
        "view R:r=1 V:r/a=1\n< V r/a=1\n> V ack\nview R:r=1\n< V -r/a\n> V ack\n" },
    { "test_a_table_that_is_asked_for_again_begins_anew",
        XDS_DELTA,
        SPLIT_TABLE "> R +r\n< R r=1\n> R ack\n< V r/a=1 r/b=1 -r/none\n> V ack\n" },
    { "test_a_changed_table_keeps_its_hosts",
        XDS_DELTA,
        SPLIT_TABLE "view R:r=2 V:r/a=1 V:r/b=1\n< R r=2\n> R ack\n" },
    { "test_after_a_table_was_refused_its_hosts_go_with_the_next_one",
        XDS_DELTA,
        "view R:r=1 V:r/a=1\n> R +r\n< R r=1\n> V\n> R nack\nview R:r=1 V:r/a=2\n"
        "view R:r=2 V:r/a=2\n< R r=2\n> R ack\n< V r/a=2 -r/none\n> V ack\n" },
    { "test_hosts_that_the_proxy_has_already_go_again_after_a_refusal_of_their_table",
        XDS_DELTA,
        SPLIT_TABLE "view R:r=2 V:r/a=1 V:r/b=1\n< R r=2\n> R nack\n"
                    "view R:r=3 V:r/a=1 V:r/b=1\n< R r=3\n> R ack\n"
                    "< V r/a=1 r/b=1 -r/none\n> V ack\n" },
    { "test_refused_hosts_and_removals_go_again_with_the_next_change_of_their_table",
        XDS_DELTA,
        SPLIT_TABLE "view R:r=1 V:r/b=2 V:r/c=1\n< V r/b=2 r/c=1 -r/a\n> V nack\n"
                    "view C:x=1 R:r=1 V:r/b=2 V:r/c=1\n"
                    "view R:r=1 V:r/b=3 V:r/c=1\n< V r/b=3 r/c=1 -r/a\n> V ack\n" },
    { "test_hosts_of_a_table_that_is_given_up_are_removed",
        XDS_DELTA,
        SPLIT_TABLE "> R -r\n< V -r/a -r/b\n> V ack\n> R +r\n< R r=1\n> R ack\n"
                    "< V r/a=1 r/b=1 -r/none\n> V ack\n" },
    { "test_a_table_that_is_gone_keeps_its_hosts_until_it_is_given_up",
        XDS_DELTA,
        SPLIT_TABLE "view C:x=1\n< R -r\n> R ack\n> R -r\n< V -r/a -r/b\n> V ack\n" },
    { "test_a_table_that_comes_back_begins_anew",
        XDS_DELTA,
        SPLIT_TABLE "view C:x=1\n< R -r\n> R ack\nview R:r=1 V:r/b=1\n< R r=1\n> R ack\n"
                    "< V r/b=1 -r/a -r/none\n> V ack\n" },
    { "test_who_comes_back_with_tables_and_hosts_is_sent_what_differs",
        XDS_DELTA,
        "view R:r=1 V:r/a=1 V:r/b=2\n> R +r r=1\n< R\n> V r/a=1 r/b=1 r/c=1\n> R ack\n"
        "< V r/b=2 -r/c\n> V ack\n" },
    { "test_hosts_of_a_table_that_was_not_brought_along_do_not_count",
        XDS_DELTA,
        "view R:r=1 R:s=1 V:r/a=1 V:s/a=1\n> R +r +s s=1\n< R r=1\n"
        "> V r/a=1 r/b=1 s/a=1 t/a=1\n> R ack\n< V r/a=1 -r/b -r/none\n> V ack\n"
        "< V -t/a\n> V ack\n" },
    { "test_a_table_that_came_along_without_hosts_is_put_into_force_again",
        XDS_DELTA,
        "view R:r=1\n> R +r r=1\n< R\n> V\n> R ack\n< V -r/none\n> V ack\n" },
    { "test_a_host_waits_for_its_cluster_and_a_cluster_for_the_hosts_that_used_it",
        XDS_DELTA,
        "view C:a=1 R:r=1 V:r/h=1\n> C\n< C a=1\n> C ack\n> R +r\n< R r=1\n> V\n> R ack\n"
        "< V r/h=1 -r/none\n> V ack\n"
        "view C:b=1 R:r=1 V:r/h=2\n< C b=1\n> C ack\n< V r/h=2\n> V ack\n< C -a\n> C ack\n"
        "view C:a=2 R:r=1\n< C a=2\n> C ack\n< V -r/h\n> V nack\n"
        "view C:a=2 R:r=1 V:r/i=1\n< V r/i=1 -r/h\n> V ack\n< C -b\n> C ack\n" },
    { "test_a_host_asked_for_by_name_that_is_not_there_is_denied_once",
        XDS_DELTA,
        SPLIT_TABLE "> V +r/x +y\n< V -r/x\n> V ack\n< V -y\n> V ack\n"
                    "view R:r=1 V:r/a=1 V:r/b=1 V:r/x=1\n< V r/x=1\n> V ack\n" },
    { "test_sotw_has_no_virtual_hosts",
        XDS_SOTW,
        "view R:r=1 V:r/a=1\n> R +r\n< R r=1\n> V\n> R ack +r\n> V +r/a\n" },
    { "test_status_of_hosts_is_about_those_of_the_proxys_tables",
        XDS_DELTA,
        "clock 5\nview R:r=1 R:s=1 V:r/a=1 V:s/a=1\n> R +r\n< R r=1\n> R ack\nis R:r=synced@5\n"
        "> V\n< V r/a=1 -r/none\nis R:r=synced@5 V:r/a=stale@5\n> V ack\n"
        "is R:r=synced@5 V:r/a=synced@5\nclock 6\nview R:r=1 V:r/a=2\n< V r/a=2\n> V nack\n"
        "is R:r=synced@5 V:r/a=refused@6(no@6)\n" },
};

/* ---- the reader of scripts ---- */

struct talk {
    const struct conversation *conversation;
    const char *line;
    struct xds_stream *stream;
    struct xds_view *view;
    int64_t revision;
    struct arena *a;
    struct xds_out out;
    size_t seen; /* responses that the script has expected */
    bool is_new; /* a new stream, which has not been shown the view */
    const char *nonce[XDS_TYPE_COUNT], *former_nonce[XDS_TYPE_COUNT], *version[XDS_TYPE_COUNT];
};

static const char *response_text(struct arena *a, const struct xds_response *response)
{
    struct buf text = { 0 };
    buf_printf(&text, "< %c", xds_type_letter(response->type));
    for (size_t i = 0; i < response->resources.count; i++) {
        const struct xds_resource *r = response->resources.items[i];
        if (r->bytes[0] == '\n') /* of protobuf: only what the stream itself makes */
            buf_printf(&text, " %s=", r->name);
        else
            buf_printf(&text, " %.*s", (int)r->size_bytes, (const char *)r->bytes);
    }
    for (size_t i = 0; i < response->removed.count; i++)
        buf_printf(&text, " -%s", response->removed.items[i]);
    const char *kept = arena_strdup(a, text.data);
    buf_fini(&text);
    return kept;
}

static void fail_at(const struct talk *t, const char *what, const char *found)
{
    print_error("%s\nat \"%s\": %s%s\n", t->conversation->name, t->line, what, found);
    fail();
}

static void expect_nothing_more(const struct talk *t)
{
    if (t->seen < t->out.responses.count)
        fail_at(t, "unexpected ", response_text(t->a, &t->out.responses.items[t->seen]));
}

static void expect(struct talk *t, const char *line)
{
    if (t->seen == t->out.responses.count)
        fail_at(t, "nothing came", "");
    const struct xds_response *response = &t->out.responses.items[t->seen++];
    const char *found = response_text(t->a, response);
    if (strcmp(found, line) != 0)
        fail_at(t, "there came ", found);
    t->former_nonce[response->type] = t->nonce[response->type];
    t->nonce[response->type] = arena_strdup(t->a, response->nonce);
    t->version[response->type] = arena_strdup(t->a, response->version_info);
}

static void show_view(struct talk *t)
{
    t->is_new = false;
    xds_stream_view(t->stream, t->view, &t->out);
}

static void restart(struct talk *t)
{
    xds_stream_free(t->stream);
    t->stream = xds_stream_new(t->conversation->variant);
    t->is_new = true;
    memset(t->nonce, 0, sizeof t->nonce);
}

/* One word of a request. */
static void take_word(struct talk *t, struct xds_request *r, const char *word)
{
    enum xds_type type = r->type;
    if (strcmp(word, "ack") == 0 || strcmp(word, "nack") == 0)
        r->nonce = *r->nonce ? r->nonce : t->nonce[type];
    if (strcmp(word, "nack") == 0)
        r->error_detail = "no";
    else if (strcmp(word, "stale") == 0)
        r->nonce = t->former_nonce[type];
    else if (strcmp(word, "v") == 0)
        r->version_info = t->version[type];
    else if (strcmp(word, "again") == 0)
        restart(t);
    else if (strcmp(word, "noview") == 0)
        t->is_new = false;
    else if (*word == '+')
        list_push(t->a, &r->names, word + 1);
    else if (*word == '-')
        list_push(t->a, &r->unsubscribe, word + 1);
    else if (strchr(word, '='))
        list_push(t->a,
            &r->initial,
            ((struct xds_versioned_name){
                arena_strndup(t->a, word, strcspn(word, "=")), xds_version_of(t->a, word) }));
}

static void request(struct talk *t, char *words)
{
    struct xds_request r = { .nonce = "", .version_info = "" };
    char *rest = NULL, *word = strtok_r(words, " ", &rest);
    assert_true(xds_letter_type(*word, &r.type));
    while ((word = strtok_r(NULL, " ", &rest)))
        take_word(t, &r, word);
    if (t->is_new)
        show_view(t);
    xds_stream_request(t->stream, &r, &t->out);
}

static const char *status_text(const struct talk *t, const struct xds_resource_status *status)
{
    static const char *const words[] = { "not-sent", "synced", "stale", "refused" };
    struct buf text = { 0 };
    buf_printf(
        &text, " %c:%s=%s", xds_type_letter(status->type), status->name, words[status->sync]);
    if (status->sent_ms)
        buf_printf(&text, "@%lld", (long long)status->sent_ms);
    if (status->refusal)
        buf_printf(&text, "(%s@%lld)", status->refusal, (long long)status->refused_ms);
    const char *kept = arena_strdup(t->a, text.data);
    buf_fini(&text);
    return kept;
}

/* A walk that was left at a name goes on behind it. */
static void expect_to_go_on(
    struct talk *t, const struct xds_status_cursor *at, const struct xds_resource_status *last)
{
    struct xds_status_cursor here = *at,
                             there = xds_stream_status_after(t->stream, last->type, last->name);
    struct xds_resource_status next, again;
    bool has_next = xds_stream_next_status(t->stream, &here, &next);
    if (has_next != xds_stream_next_status(t->stream, &there, &again) ||
        (has_next && strcmp(next.name, again.name) != 0))
        fail_at(t, "another walk goes on elsewhere than behind ", last->name);
}

static void expect_status(struct talk *t, const char *line)
{
    struct xds_status_cursor cursor = { 0 };
    struct xds_resource_status status;
    struct buf found = { 0 };
    buf_text(&found, "is");
    while (xds_stream_next_status(t->stream, &cursor, &status)) {
        buf_text(&found, status_text(t, &status));
        expect_to_go_on(t, &cursor, &status);
    }
    const char *kept = arena_strdup(t->a, found.data);
    buf_fini(&found);
    if (strcmp(kept, line) != 0)
        fail_at(t, "it ", kept);
}

/* Whether it is so, where a line says so by one word. */
static bool play_question(struct talk *t, const char *line)
{
    const struct {
        const char *word;
        bool is_so;
    } questions[] = {
        { "resumed", t->view && xds_stream_is_resumed(t->stream, t->view) },
        { "newcomer", !t->view || !xds_stream_is_resumed(t->stream, t->view) },
        { "joined", xds_stream_has_joined(t->stream, XDS_LISTENER) },
        { "joining", !xds_stream_has_joined(t->stream, XDS_LISTENER) },
    };
    for (size_t i = 0; i < ARRAY_COUNT(questions); i++) {
        if (strcmp(line, questions[i].word) != 0)
            continue;
        if (!questions[i].is_so)
            fail_at(t, "not so", "");
        return true;
    }
    return false;
}

static void play_line(struct talk *t, const char *line)
{
    t->line = line;
    if (*line == '<') {
        expect(t, line);
        return;
    }
    expect_nothing_more(t);
    if (play_question(t, line))
        return;
    if (strncmp(line, "clock ", 6) == 0) {
        t->out.now_ms = atoll(line + 6);
    } else if (strncmp(line, "is", 2) == 0) {
        expect_status(t, line);
    } else if (*line == '>') {
        request(t, arena_strdup(t->a, line + 1));
    } else if (strcmp(line, "late") == 0) {
        assert_true(xds_stream_awaits_names(t->stream));
        xds_stream_stop_awaiting(t->stream, &t->out);
    } else if (strncmp(line, "preview ", 8) == 0) {
        struct xds_view *view = xds_view_of(++t->revision, NULL, line + strlen("preview "));
        xds_stream_preview(t->stream, view);
        xds_view_release(view);
    } else {
        xds_view_release(t->view);
        t->view = xds_view_of(++t->revision, NULL, line + strlen("view "));
        show_view(t);
    }
}

static void play(void **state)
{
    struct talk t = { .conversation = *state, .a = arena_new() };
    char *rest = NULL;
    xds_out_init(&t.out);
    t.stream = xds_stream_new(t.conversation->variant);
    for (char *line = strtok_r(arena_strdup(t.a, t.conversation->script), "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        play_line(&t, line);
    t.line = "the end";
    expect_nothing_more(&t);

    xds_out_fini(&t.out);
    xds_stream_free(t.stream);
    xds_view_release(t.view);
    arena_free(t.a);
}

/* ---- many ---- */

enum { MANY_NAMES = 200, OTHER = 77 };

/* Endpoints that were brought along are held against their clusters in one pass, when they are
 * many. */
static void test_of_many_endpoints_the_one_of_another_cluster_is_sent(void **state)
{
    struct buf script = { 0 };
    struct conversation talk = { "many endpoints", XDS_DELTA, NULL };
    void *conversation = &talk;
    (void)state;
    buf_text(&script, "view");
    for (int i = 0; i < MANY_NAMES; i++)
        buf_printf(&script, " C:n%03d=1", i);
    buf_text(&script, " C:without=1");
    for (int i = 0; i < MANY_NAMES; i++)
        buf_printf(&script, " E:n%03d=1", i);
    buf_text(&script, "\n> C");
    for (int i = 0; i < MANY_NAMES; i++)
        buf_printf(&script, " n%03d=1", i);
    buf_text(&script, " without=1\n< C\n> C ack\n> E");
    for (int i = 0; i < MANY_NAMES; i++)
        buf_printf(&script, " +n%03d n%03d=1/n%03d=%d", i, i, i, i == OTHER ? 2 : 1);
    buf_printf(&script, "\n< E n%03d=1\n> E ack\n", OTHER);
    talk.script = script.data;

    play(&conversation);

    buf_fini(&script);
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_COUNT(conversations) + 1] = {
        [ARRAY_COUNT(conversations)] =
            cmocka_unit_test(test_of_many_endpoints_the_one_of_another_cluster_is_sent)
    };
    for (size_t i = 0; i < ARRAY_COUNT(conversations); i++)
        tests[i] = (struct CMUnitTest){ .name = conversations[i].name,
            .test_func = play,
            .initial_state = (void *)(uintptr_t)&conversations[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
