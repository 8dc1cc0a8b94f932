// Job: what one request for injection means: so many messages, made one by
// one when they are asked for, and the answer when all are durable. Sans-IO,
// no threads, no clock of its own.
//
//   auto job = api::make_job(Style::transmissions, std::move(call), policy);   // Error: answer it, nothing happened
//   auto batch = injector.begin_batch(job->protocol());
//   for (i = 0; i < job->total(); ++i)   // in slices, as the loop and the batch have room
//     if (auto incoming = job->build(i)) batch->add(…); else: drop the batch, answer incoming.error()
//   batch->commit(…, [](ids) { answer 200, job->answer(ids, node) });
#pragma once

#include "api/error.h"
#include "api/policy.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/ip.h"
#include "base/result.h"
#include "spool/spool.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::api {

// A request, as far as it matters here.
struct Call {
  // The body, expanded. Parsed in place when its capacity leaves
  // `json_padding` bytes behind its size, else copied first.
  std::string body;
  std::string content_type;                                  // the header field, as it came; empty: there was none
  std::vector<std::pair<std::string, std::string>> query;    // percent-decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // at least X-Envelope-From, X-Envelope-To; any case

  // Who asks.
  IpAddress client;
  uint16_t client_port = 0;
  bool unix_socket = false;
  std::string client_name;  // by DNS; empty: unknown
  std::string listener;     // canonical name of the Listen
  std::string user;         // who authenticated; empty: nobody
  std::string tls;          // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty without
  unsigned tls_bits = 0;
  std::vector<std::pair<std::string, std::string>> context;  // of the connection; names are unique

  // Whether this client may use that envelope sender (empty: the null sender),
  // or why not. Null: any. Borrows nothing, as the job keeps it.
  std::function<Result<>(std::string_view)> may_send;

  WallTime now{};
  // Unlike that of any other request to this server, ever: names the request
  // in answers, and makes Message-IDs. Must not be 0.
  uint64_t number = 0;
};

constexpr size_t json_padding = 64;  // SIMDJSON_PADDING

class Job {
 public:
  virtual ~Job() = default;

  // How many messages it makes. 0: answer({}) is the answer, nothing is queued
  // (inject: all recipients failed).
  virtual size_t total() const = 0;
  // Message `index`, below total(); any order, any number of times, one thread
  // at a time. Its memory is all that it costs. An error refuses the whole request.
  virtual std::expected<spool::Incoming, Error> build(size_t index) = 0;
  // The answer (status 200, application/json) when all are durable: ids in
  // order of index.
  virtual std::string answer(std::span<const MessageId> ids, std::string_view node) const = 0;
  // The word for log and Received field: "HTTP" or "HTTPS".
  virtual std::string_view protocol() const = 0;
};

// POST /api/v1/transmissions, /api/inject/v1, /api/impulse/v1/messages.
// Checks all that can be known without making messages.
std::expected<std::unique_ptr<Job>, Error> make_job(Style style, Call call, std::shared_ptr<const Policy> policy);

}  // namespace impulse::api
