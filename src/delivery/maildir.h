// Maildir: final delivery into a folder with tmp, new and cur. Blocking: for
// a worker thread.
//
// What is stored: a Return-Path field (RFC 5321 §4.4), the trace fields, the
// message. Line ends are LF, as every Maildir's reader expects: each CR LF pair
// becomes LF, and nothing else is changed, so that a CR or LF that stood alone
// stays what it was.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "delivery/durable_names.h"
#include "message/body_source.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::delivery {

struct MaildirMail {
  MessageId id;
  std::string_view sender;  // "" is the null sender
  std::string_view trace;
  std::string_view body;
  const message::BodySource* rest = nullptr;  // of the body, borrowed
};

// Makes what is missing of the folder and of those above it (0700), writes
// into tmp/, fsyncs, links into new/ and fsyncs that: when it returns well the
// mail is there for good; when it fails nothing is there. `names`: one for all
// deliveries of a process. `host` and `serial`
// make the name unique: never the same serial twice in a process. Returns the
// path of the file.
Result<std::string> deliver_to_maildir(DurableNames& names, const std::string& folder, const MaildirMail& mail,
                                       std::string_view host, uint64_t serial, WallTime now);

}  // namespace impulse::delivery
