// A client of libecstream for the tests in this folder: sends numbered messages
// to one recipient, and says what becomes of them.
//   ecstream_client ENDPOINT STREAM ACKNOWLEDGED FIRST LAST SIZE
#include "console/ecstream/ecstream.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string body_of(unsigned long long number, size_t size) {
  std::string body = "From: a@client.example\r\nSubject: number\r\nX-Number: " + std::to_string(number) + "\r\n\r\n";
  const std::string line = "0123456789012345678901234567890123456789012345678901234567890\r\n";
  do body += line;
  while (body.size() < size);
  return body + "end of " + std::to_string(number) + "\r\n";
}

void tell(ecs_client* client) {
  ecs_event event;
  while (ecs_next(client, &event) != 0) {
    if (event.kind == ECS_ACKNOWLEDGED)
      std::printf("ack %" PRIu64 "\n", event.sequence);
    else if (event.kind == ECS_REFUSED)
      std::printf("nak %" PRIu64 " %u %s\n", event.sequence, event.code, event.text);
    else if (event.kind == ECS_OPENED)
      std::printf("opened %" PRIu64 "\n", event.sequence);
  }
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** words) {
  if (count != 7) return 2;
  ecs_options options = ECS_OPTIONS_INIT;
  options.endpoint = words[1];
  options.stream = words[2];
  options.acknowledged = std::strtoull(words[3], nullptr, 10);
  options.flags = ECS_RESUME | ECS_CHECKSUMS;
  options.timeout_ms = 60000;
  ecs_recipient recipient = {"carol@local.example", nullptr, 0};
  ecs_message message = ECS_MESSAGE_INIT;
  message.sender = "a@client.example";
  message.recipients = &recipient;
  message.recipient_count = 1;
  const unsigned long long last = std::strtoull(words[5], nullptr, 10);
  ecs_client* const client = ecs_connect(&options);
  for (unsigned long long number = std::strtoull(words[4], nullptr, 10); number <= last; ++number) {
    if (ecs_error(client) != ECS_OK) break;
    const std::string body = body_of(number, std::strtoull(words[6], nullptr, 10));
    message.body = body.data();
    message.body_size = body.size();
    ecs_send(client, &message, nullptr);
    tell(client);
  }
  if (ecs_error(client) == ECS_OK) ecs_drain(client, 300000);
  const ecs_status status = ecs_error(client);
  if (status != ECS_OK) std::fprintf(stderr, "%s\n", ecs_error_text(client));
  tell(client);
  if (status == ECS_OK) std::puts("done");
  ecs_close(client);
  return status == ECS_OK ? 0 : 1;
}
