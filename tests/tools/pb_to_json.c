/*
 * pb_to_json: what pb_json makes of messages, for tests in other languages.
 *
 * Each line of standard input is a message's full name and its bytes in hexadecimal. For each, two
 * lines come out: its JSON and its bytes packed again, or "error" and why.
 */
#include "base/buf.h"
#include "proto/pb.h"
#include "proto/pb_json.h"

#include <string.h>

static bool from_hex(const char *text, struct buf *bytes)
{
    for (unsigned byte; sscanf(text, "%2x", &byte) == 1; text += 2)
        buf_append(bytes, &(char){ (char)byte }, 1);
    return *text == '\0' || *text == '\n';
}

static void print_json(const ProtobufCMessageDescriptor *type, const struct buf *bytes)
{
    struct error err;
    cJSON *json = pb_json_bytes(type, (const uint8_t *)bytes->data, bytes->size, &err);
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    printf("%s%s\n", text ? "" : "error ", text ? text : err.text);
    cJSON_free(text);
    cJSON_Delete(json);
}

static void print_packed(const ProtobufCMessageDescriptor *type, const struct buf *bytes)
{
    struct buf packed = { 0 };
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, NULL, bytes->size, (const uint8_t *)bytes->data);
    if (!message) {
        puts("error cannot be unpacked");
        return;
    }
    pb_pack_append(&packed, message);
    for (size_t i = 0; i < packed.size; i++)
        printf("%02x", (unsigned char)packed.data[i]);
    puts("");
    protobuf_c_message_free_unpacked(message, NULL);
    buf_fini(&packed);
}

static void on_line(char *line)
{
    struct buf bytes = { 0 };
    char *hex = strchr(line, ' ');
    if (hex)
        *hex++ = '\0';
    const ProtobufCMessageDescriptor *type = pb_type_find(line);
    if (type && hex && from_hex(hex, &bytes)) {
        print_json(type, &bytes);
        print_packed(type, &bytes);
    } else {
        printf("error %s\nerror\n", type ? "not hexadecimal" : "no such type");
    }
    buf_fini(&bytes);
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0)
        on_line(line);
    free(line);
    return 0;
}
