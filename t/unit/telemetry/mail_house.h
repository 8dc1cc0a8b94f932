// Logs of mail in a directory of their own, and what is told to them.
#pragma once

#include "telemetry/mail_logs.h"

#include "temp_dir.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace impulse::telemetry::test {

inline constexpr WallTime event_time = WallTime(std::chrono::seconds(1064868656) + std::chrono::milliseconds(999));

inline message::Envelope envelope() {
  message::Envelope envelope;
  envelope.received = event_time;
  envelope.sender = "info@sender.example";
  envelope.recipients = {{"bob@example.fict"}};
  envelope.client = IpAddress::parse("10.0.1.1").value();
  envelope.client_helo = "client.example";
  envelope.listener = "*:25";
  return envelope;
}

inline Record sample_out(Record::Kind kind) {
  Record record;
  record.kind = kind;
  record.time = event_time;
  record.received = event_time - std::chrono::seconds(18);
  record.id = "0000001F/000004D2-node1";
  record.recipient = "bob@example.fict";
  record.sender = "info@sender.example";
  record.domain = "example.fict";
  record.size = 201;
  record.peer = "10.0.0.1:25";
  record.peer_name = "mx.example.fict";
  record.local = "192.0.2.7:47234";
  record.attempts = 2;
  record.delay = std::chrono::microseconds(18530999);
  record.response = "250 2.0.0 Ok: queued as 12345";
  record.protocol = "ESMTPS";
  record.session = 7;
  record.stage = Stage::confirmation;
  record.bytes = 31;
  return record;
}

inline const std::string id_fields = "1064868656@0000001F/000004D2-node1@0000001F/000004D2-node1@";

// Logs of mail in a directory of their own.
class House {
 public:
  explicit House(telemetry::LogContext context = {})
      : logs_(std::move(MailLogs::open({.mainlog = dir_ / "mainlog",
                                        .bouncelog = dir_ / "bouncelog",
                                        .jsonlog = dir_ / "jsonlog",
                                        .facts = {"node1", WallTime(std::chrono::seconds(0x3F7A1B2C))}},
                                       context)
                            .value())) {}
  MailLogs& operator*() { return *logs_; }
  MailLogs* operator->() { return logs_.get(); }
  void came(message::Envelope envelope, uint64_t session = 0, const std::string& protocol = "ESMTP") {
    logs_->reception({"0000001F/000004D2-node1", std::make_shared<const message::Envelope>(std::move(envelope)), 201,
                      protocol, session});
  }
  std::string text(const std::string& name) {
    logs_->flush();
    return slurp(dir_ / name);
  }
  std::string main() { return text("mainlog"); }
  const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  std::unique_ptr<MailLogs> logs_;
};

inline size_t separators(const std::string& line) {
  return static_cast<size_t>(std::count(line.begin(), line.end(), '@'));
}

}  // namespace impulse::telemetry::test
