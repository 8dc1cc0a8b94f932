// What happened to a message, for the logs of mail: a reception of it as it is
// at hand where mail comes in, and a record of one recipient, which is what the
// logs have their lines from.
#pragma once

#include "base/clock.h"
#include "message/envelope.h"
#include "telemetry/note.h"
#include "telemetry/stage.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::message {
struct FeedbackReport;
}

namespace impulse::telemetry {

// TLS of a connection to a next host.
struct TlsFacts {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384"
  std::string subject;  // of the server's certificate, RFC 2253; empty: unknown
};

// Fields that a record's kind has no use for are not looked at. Whatever came
// from a peer is escaped by who writes it: a record is always one line.
struct Record {
  enum class Kind : uint8_t {
    reception,
    delivery,
    transient,     // there will be another attempt
    bounce,        // given up, for what the other side said or what went wrong
    expiration,    // given up, as it took too long or too many attempts
    admin_bounce,  // given up, as an administrator said so
    admin_rebind,  // it goes another way, as an administrator said so; `response` says which: of the JSON log only
    out_of_band,   // given up by another host, which had taken it: so says a report that came in
  };
  Kind kind = Kind::reception;
  WallTime time{};
  WallTime received{};
  std::string id;         // message id with node
  std::string recipient;  // one record a recipient
  std::string sender;     // "" is the null sender
  std::string peer;       // reception: client address; else remote host and port, or Maildir path
  std::string peer_name;  // reception: how it called itself; else who gave the response; empty: it was us
  std::string local;      // reception: Listen; else source address
  std::string domain;     // of the recipient
  uint64_t size = 0;      // of the message, bytes
  uint64_t bytes = 0;     // sent to the other side for it; 0: there was no connection
  uint64_t session = 0;   // number of the session it came by, or of the connection it went by; 0: none
  Stage stage = Stage::unknown;
  uint32_t attempts = 0;                                // earlier attempts, 0 for the first
  Duration delay{0};                                    // since reception
  std::string response;                                 // what the other side said, or what went wrong
  std::string status;                                   // RFC 3463, where the response was no reply; empty: not known
  std::string tenant;                                   // whose mail it is; "" is of none
  std::string binding = "default";                      // by which it goes out
  std::string binding_group = "default";                // that this stands in; "default": in none
  std::string protocol;                                 // "ESMTP", "LMTPS", "MAILDIR", for our own mail "INTERNAL"
  std::string reception_protocol;                       // by which it came; of a reception `protocol` says it
  std::shared_ptr<const TlsFacts> tls{};                // null: none
  std::shared_ptr<const message::Envelope> envelope{};  // reception
  NotePtr note{};                                       // null: nothing is chosen, or it is not known
  std::string envelope_id;                              // out_of_band: the original's ENVID, as the report gives it
  std::shared_ptr<const message::FeedbackReport> feedback{};  // reception: the complaint that it is; null: it is none
};

// One message that came in, and is durable.
struct Reception {
  std::string id;  // with node
  std::shared_ptr<const message::Envelope> envelope;
  uint64_t size = 0;     // bytes
  std::string protocol;  // as Record's
  uint64_t session = 0;  // as Record's
  std::string binding_group = "default";
  // Its beginning, if that is to be read as a report; null: not. Empty: it should be, and
  // there was no room for it: a line is lost.
  std::shared_ptr<const std::string> report{};
};

// The address in a Record's peer, without brackets, and the port; one that has no port, or is
// none (a path, a name), is whole, and the port is empty.
std::pair<std::string_view, std::string_view> divide_peer(std::string_view peer);

// The Record of its recipient of that number.
Record record_of(const Reception& reception, size_t recipient);
// Those of the recipients that its report says are given up, of mail that was sent by its
// recipient of that number. Of each the time, size and session are those of the report.
std::vector<Record> out_of_band(const Reception& reception, size_t recipient);
// The complaint that its report is; null: it is none.
std::shared_ptr<const message::FeedbackReport> feedback_in(const Reception& reception);

}  // namespace impulse::telemetry
