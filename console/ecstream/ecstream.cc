// The plain C interface of libecstream: arguments checked and copied, no
// exception let out.
#include "console/ecstream/ecstream.h"

#include "config.h"
#include "console/ecstream/stream_client.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <new>
#include <string>

namespace {

using namespace impulse;
using console::StreamClient;

std::string text(const char* from) { return from != nullptr ? from : ""; }

ecs_status status_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return ECS_INVALID;
    case Errc::denied:
      return ECS_DENIED;
    case Errc::timeout:
      return ECS_TIMEOUT;
    default:
      return ECS_CONNECTION;
  }
}

std::string own_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

bool is_stream_name(const std::string& name) {
  return name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace

struct ecs_client {
  std::unique_ptr<StreamClient> client;
  ecs_status status = ECS_OK;
  std::string error;
  ecstream::ClientEvent event;

  ecs_status set(ecs_status code, std::string why) {
    status = code;
    error = std::move(why);
    return status;
  }
  ecs_status set(const Result<>& result) {
    return result ? set(ECS_OK, "") : set(status_of(result.error().code), result.error().message);
  }
  // Runs `work`, which gives a Result<>; nothing thrown goes on into C.
  template <class Work>
  ecs_status run(Work work) noexcept {
    try {
      return client ? set(work()) : status;
    } catch (const std::bad_alloc&) {
      status = ECS_MEMORY;
      return status;
    } catch (const std::exception& thrown) {
      return set(ECS_CONNECTION, thrown.what());
    }
  }
};

namespace {

Result<std::unique_ptr<StreamClient>> make(const ecs_options& options) {
  if (options.endpoint == nullptr) return fail(Errc::invalid, "no endpoint");
  auto address = console::parse_address(options.endpoint);
  if (!address) return std::unexpected(std::move(address.error()));
  std::string stream = text(options.stream);
  if (!is_stream_name(stream)) return fail(Errc::invalid, "a stream's name has 1 to 64 characters from '!' to '~'");
  console::StreamSettings settings;
  settings.address = std::move(*address);
  settings.tls.enabled = (options.flags & ECS_TLS) != 0;
  settings.tls.verify = (options.flags & ECS_TLS_NO_VERIFY) == 0;
  settings.tls.ca = text(options.ca);
  settings.tls.name = text(options.server_name);
  settings.tls.certificate = text(options.certificate);
  settings.tls.key = text(options.key);
  settings.user = options.user != nullptr ? options.user : settings.address.user;
  settings.password = text(options.password);
  settings.session.hostname = options.hostname != nullptr ? options.hostname : own_name();
  settings.session.agent = std::string("libecstream/") + PACKAGE_VERSION;
  settings.session.checksums = (options.flags & ECS_CHECKSUMS) != 0;
  settings.reconnect = (options.flags & ECS_NO_RECONNECT) == 0;
  if (options.timeout_ms > 0) settings.timeout = std::chrono::milliseconds(options.timeout_ms);
  if (options.max_bytes > 0) settings.max_bytes = options.max_bytes;
  std::optional<uint64_t> acknowledged;
  if ((options.flags & ECS_RESUME) != 0) acknowledged = options.acknowledged;
  ecstream::ClientStream messages = (options.flags & ECS_NEW_STREAM) != 0
                                        ? ecstream::ClientStream::fresh(std::move(stream))
                                        : ecstream::ClientStream(std::move(stream), acknowledged);
  return std::make_unique<StreamClient>(std::move(settings), std::move(messages));
}

Result<ecstream::MessageHead> head_of(const ecs_message& message) {
  if ((message.recipients == nullptr && message.recipient_count > 0) ||
      (message.context == nullptr && message.context_count > 0) || (message.body == nullptr && message.body_size > 0))
    return fail(Errc::invalid, "a list is missing");
  if (message.priority < -9 || message.priority > 9) return fail(Errc::invalid, "priority is from -9 to 9");
  if (message.body_type < ECS_7BIT || message.body_type > ECS_BINARYMIME || message.ret < ECS_RET_NONE ||
      message.ret > ECS_RET_HEADERS)
    return fail(Errc::invalid, "unknown body type or ret");
  ecstream::MessageHead head;
  head.sender = text(message.sender);
  for (size_t n = 0; n < message.recipient_count; ++n) {
    const ecs_recipient& recipient = message.recipients[n];
    if (recipient.address == nullptr || recipient.notify > 15) return fail(Errc::invalid, "recipient {} is none", n);
    head.recipients.push_back({recipient.address, static_cast<uint8_t>(recipient.notify), text(recipient.orcpt)});
  }
  for (size_t n = 0; n < message.context_count; ++n) {
    if (message.context[n].key == nullptr) return fail(Errc::invalid, "context {} has no key", n);
    head.context.emplace_back(message.context[n].key, text(message.context[n].value));
  }
  head.envid = text(message.envid);
  head.auth = text(message.auth);
  head.body_type = static_cast<message::BodyType>(message.body_type);
  head.ret = static_cast<message::Ret>(message.ret);
  head.smtputf8 = message.smtputf8 != 0;
  head.require_tls = message.require_tls != 0;
  head.priority = static_cast<int8_t>(message.priority);
  if (message.hold_seconds > 0) head.hold_for = message.hold_seconds;
  if (message.deliver_by_mode != 0) head.deliver_by = {message.deliver_by, message.deliver_by_mode, false};
  head.size = message.body_size;
  return head;
}

}  // namespace

ecs_client* ecs_connect(const ecs_options* options) {
  auto* const made = new (std::nothrow) ecs_client;
  if (made == nullptr) return nullptr;
  try {
    auto client = options != nullptr ? make(*options) : fail(Errc::invalid, "no options");
    if (!client) {
      made->set(status_of(client.error().code), std::move(client.error().message));
      return made;
    }
    made->client = std::move(*client);
  } catch (const std::exception& thrown) {
    made->status = ECS_MEMORY;
    return made;
  }
  made->run([&] { return made->client->connect(); });
  return made;
}

void ecs_close(ecs_client* client) { delete client; }

ecs_status ecs_error(const ecs_client* client) { return client != nullptr ? client->status : ECS_MEMORY; }
const char* ecs_error_text(const ecs_client* client) { return client != nullptr ? client->error.c_str() : ""; }

ecs_status ecs_send(ecs_client* client, const ecs_message* message, uint64_t* sequence) {
  return client->run([&]() -> Result<> {
    if (message == nullptr) return fail(Errc::invalid, "no message");
    auto head = head_of(*message);
    if (!head) return std::unexpected(std::move(head.error()));
    auto sent = client->client->send(
        *head, std::string(message->body != nullptr ? message->body : "", message->body_size), message->want_id != 0);
    if (!sent) return std::unexpected(std::move(sent.error()));
    if (sequence != nullptr) *sequence = *sent;
    return {};
  });
}

ecs_status ecs_pump(ecs_client* client, int timeout_ms) {
  return client->run([&] { return client->client->pump(std::chrono::milliseconds(std::max(timeout_ms, 0))); });
}

ecs_status ecs_drain(ecs_client* client, int timeout_ms) {
  return client->run([&] { return client->client->drain(std::chrono::milliseconds(std::max(timeout_ms, 0))); });
}

int ecs_next(ecs_client* client, ecs_event* event) {
  using Kind = ecstream::ClientEvent::Kind;
  while (client->client) {
    auto next = client->client->next_event();
    if (!next) return 0;
    if (next->kind == Kind::flushed) continue;
    client->event = std::move(*next);
    event->kind = client->event.kind == Kind::acknowledged ? ECS_ACKNOWLEDGED
                  : client->event.kind == Kind::id         ? ECS_ID
                  : client->event.kind == Kind::refused    ? ECS_REFUSED
                  : client->event.forgotten                ? ECS_FORGOTTEN
                                                           : ECS_OPENED;
    event->sequence = client->event.sequence;
    event->code = client->event.code;
    const bool whole = client->event.kind != Kind::refused || client->event.recipient == UINT32_MAX;
    event->recipient = whole ? -1 : int64_t{client->event.recipient};
    event->enhanced = client->event.enhanced.c_str();
    event->text = client->event.text.c_str();
    return 1;
  }
  return 0;
}

uint64_t ecs_acknowledged(const ecs_client* client) {
  return client->client ? client->client->stream().acknowledged() : 0;
}
uint64_t ecs_last(const ecs_client* client) { return client->client ? client->client->stream().last() : 0; }
int ecs_is_connected(const ecs_client* client) { return client->client && client->client->connected() ? 1 : 0; }
const char* ecs_version(void) { return PACKAGE_VERSION; }
