/* Questions about what is served: whatever is a request is answered by a message that says one
 * thing, of that request as far as it is understood. */
#include "support/fuzzer.h"

#include "xds/reflection.h"

enum { FILE_CONTAINING_EXTENSION = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct arena *a = arena_new();
    pb_ServerReflectionRequest *request =
        pb_unpack(a, &pb_ServerReflectionRequest_desc, bytes, size_bytes);
    struct pb_bytes answer;
    bool is_answered = reflection_answer(a, bytes, size_bytes, &answer);
    INVARIANT(is_answered == (request != NULL));
    if (is_answered) {
        const pb_ServerReflectionResponse *response =
            pb_unpack(a, &pb_ServerReflectionResponse_desc, answer.data, answer.size);
        INVARIANT(response && response->message_response_case);
        request->base.n_unknown_fields = 0;
        if ((int)request->message_request_case == FILE_CONTAINING_EXTENSION)
            request->file_containing_extension->base.n_unknown_fields = 0;
        struct pb_bytes asked = pb_pack(a, &request->base),
                        told = pb_pack(a, &response->original_request->base);
        INVARIANT(asked.size == told.size && !memcmp(asked.data, told.data, told.size));
    }
    arena_free(a);
    return 0;
}
