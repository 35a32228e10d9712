#include "xds/reflection.h"

#include "xds/grpc.h"
#include "xds/reflection_table.h"

static int compare_file(const void *name, const void *file)
{
    return strcmp(name, ((const struct reflection_file *)file)->name);
}

static int compare_symbol(const void *name, const void *symbol)
{
    return strcmp(name, ((const struct reflection_symbol *)symbol)->name);
}

static const struct reflection_file *find_file(const char *name)
{
    return bsearch(
        name, reflection_files, reflection_file_count, sizeof *reflection_files, compare_file);
}

static const struct reflection_symbol *find_symbol(const char *name)
{
    return bsearch(name,
        reflection_symbols,
        reflection_symbol_count,
        sizeof *reflection_symbols,
        compare_symbol);
}

bool reflection_has_service(const char *name)
{
    const struct reflection_symbol *symbol = find_symbol(name);
    return symbol && symbol->kind == REFLECTION_SERVICE;
}

/* ---- answers ---- */

/* Of the request's oneof: protobuf-c's cases are the fields' numbers. */
enum {
    FILE_BY_FILENAME = 3,
    FILE_CONTAINING_SYMBOL = 4,
    FILE_CONTAINING_EXTENSION = 5,
    ALL_EXTENSION_NUMBERS_OF_TYPE = 6,
    LIST_SERVICES = 7,
};

#define ANSWER(a, request, ...)                                                                    \
    pb_new_ServerReflectionResponse(                                                               \
        (a), .valid_host = (request)->host, .original_request = (request), __VA_ARGS__)

static pb_ServerReflectionResponse *refuse(struct arena *a, pb_ServerReflectionRequest *request,
    enum grpc_status code, const char *message)
{
    return ANSWER(a,
        request,
        pb_ServerReflectionResponse_error_response(
            pb_new_ErrorResponse(a, .error_code = (int)code, .error_message = pb_str(message))));
}

static pb_ServerReflectionResponse *tell_file(struct arena *a, pb_ServerReflectionRequest *request,
    const struct reflection_file *file, const char *otherwise)
{
    if (!file)
        return refuse(a, request, GRPC_NOT_FOUND, otherwise);
    ProtobufCBinaryData *bytes = ARENA_ARRAY(a, ProtobufCBinaryData, file->need_count);
    for (size_t i = 0; i < file->need_count; i++) {
        const struct reflection_file *needed = &reflection_files[file->needs[i]];
        bytes[i].len = needed->size_bytes;
        bytes[i].data = (uint8_t *)(uintptr_t)needed->bytes;
    }
    return ANSWER(a,
        request,
        pb_ServerReflectionResponse_file_descriptor_response(pb_new_FileDescriptorResponse(
            a, PB_LIST(file_descriptor_proto, file->need_count, bytes))));
}

static pb_ServerReflectionResponse *tell_symbol(
    struct arena *a, pb_ServerReflectionRequest *request)
{
    const struct reflection_symbol *symbol = find_symbol(request->file_containing_symbol);
    return tell_file(
        a, request, symbol ? &reflection_files[symbol->file] : NULL, "no such symbol is served");
}

/* Nothing that is served is extended (proto3). */
static pb_ServerReflectionResponse *tell_extensions(
    struct arena *a, pb_ServerReflectionRequest *request)
{
    char *name = request->all_extension_numbers_of_type;
    const struct reflection_symbol *symbol = find_symbol(name);
    if (!symbol || symbol->kind != REFLECTION_MESSAGE)
        return refuse(a, request, GRPC_NOT_FOUND, "no such message is served");
    return ANSWER(a,
        request,
        pb_ServerReflectionResponse_all_extension_numbers_response(
            pb_new_ExtensionNumberResponse(a, .base_type_name = name)));
}

static pb_ServerReflectionResponse *list_services(
    struct arena *a, pb_ServerReflectionRequest *request)
{
    LIST(pb_ServiceResponse *) list = { 0 };
    for (size_t i = 0; i < reflection_symbol_count; i++)
        if (reflection_symbols[i].kind == REFLECTION_SERVICE)
            list_push(
                a, &list, pb_new_ServiceResponse(a, .name = pb_str(reflection_symbols[i].name)));
    return ANSWER(a,
        request,
        pb_ServerReflectionResponse_list_services_response(
            pb_new_ListServiceResponse(a, PB_LIST(service, list.count, list.items))));
}

static pb_ServerReflectionResponse *answer_of(struct arena *a, pb_ServerReflectionRequest *request)
{
    switch ((int)request->message_request_case) {
    case FILE_BY_FILENAME:
        return tell_file(a, request, find_file(request->file_by_filename), "no such file");
    case FILE_CONTAINING_SYMBOL:
        return tell_symbol(a, request);
    case FILE_CONTAINING_EXTENSION:
        return refuse(a, request, GRPC_NOT_FOUND, "nothing that is served is extended");
    case ALL_EXTENSION_NUMBERS_OF_TYPE:
        return tell_extensions(a, request);
    case LIST_SERVICES:
        return list_services(a, request);
    default:
        return refuse(a, request, GRPC_INVALID_ARGUMENT, "message_request is not set");
    }
}

/* They are not told back: what they are made of may be read by us alone (a tag of 0, written long).
 */
static void drop_unknown_fields(pb_ServerReflectionRequest *request)
{
    request->base.n_unknown_fields = 0;
    if ((int)request->message_request_case == FILE_CONTAINING_EXTENSION)
        request->file_containing_extension->base.n_unknown_fields = 0;
}

bool reflection_answer(
    struct arena *a, const uint8_t *bytes, size_t size_bytes, struct pb_bytes *answer)
{
    pb_ServerReflectionRequest *request =
        pb_unpack(a, &pb_ServerReflectionRequest_desc, bytes, size_bytes);
    if (!request)
        return false;
    drop_unknown_fields(request);
    *answer = pb_pack(a, &answer_of(a, request)->base);
    return true;
}
