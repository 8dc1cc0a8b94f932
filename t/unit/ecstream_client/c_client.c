/* A client in C11, as a stranger would write it: sends `count` messages, and
 * counts what became of them. Returns how many were acknowledged and not
 * refused, or minus the status of the library. */
#include "console/ecstream/ecstream.h"

#include <stdio.h>
#include <string.h>

int c_client(const char *endpoint, const char *stream, int count, int *refused, int *ids);

int c_client(const char *endpoint, const char *stream, int count, int *refused, int *ids) {
  ecs_options options = ECS_OPTIONS_INIT;
  ecs_recipient recipients[2] = {{"b@example.com", NULL, ECS_NOTIFY_FAILURE}, {"c@example.com", "rfc822;x", 0}};
  ecs_pair context[1] = {{"job", "nightly"}};
  ecs_message message = ECS_MESSAGE_INIT;
  ecs_client *client;
  ecs_event event;
  ecs_status status;
  int n;

  *refused = *ids = 0;
  options.endpoint = endpoint;
  options.stream = stream;
  options.flags = ECS_CHECKSUMS;
  options.timeout_ms = 20000;
  client = ecs_connect(&options);
  if (client == NULL) return -ECS_MEMORY;
  message.sender = "a@example.org";
  message.recipients = recipients;
  message.recipient_count = 2;
  message.context = context;
  message.context_count = 1;
  message.want_id = 1;
  for (n = 1; n <= count && ecs_error(client) == ECS_OK; ++n) {
    char body[100];
    uint64_t sequence = 0;
    snprintf(body, sizeof body, "X-N: %d\r\n\r\nHello\r\n", n);
    message.body = body;
    message.body_size = strlen(body);
    recipients[1].address = n % 10 == 0 ? "x@relay.example" : "c@example.com";
    if (ecs_send(client, &message, &sequence) == ECS_OK && sequence != (uint64_t)n) return -100;
  }
  if (ecs_error(client) == ECS_OK) ecs_drain(client, 60000);
  status = ecs_error(client);
  while (ecs_next(client, &event)) {
    if (event.kind == ECS_REFUSED) {
      if (event.code != 550 || event.recipient != 1 || strcmp(event.enhanced, "5.7.1") != 0) return -101;
      ++*refused;
    }
    if (event.kind == ECS_ID) ++*ids;
  }
  n = (int)ecs_acknowledged(client) - *refused;
  ecs_close(client);
  return status == ECS_OK ? n : -(int)status;
}
