// BodySink: where a message body goes while it arrives, when it is too large
// to be kept in memory. Protocol engines fill it; the spool makes it.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace impulse::message {

// An engine keeps the first Large_Message_Threshold bytes of a body as it
// always did. When more come it begins a sink and appends what follows the
// kept part, as often as bytes come; both are handed in together (body, then
// rest). To abandon a body, destroy its sink: nothing stays on the disk.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Takes all of `bytes`, or fails: no_space (452), io (451). After a failure
  // it fails for ever; the engine refuses the message when its data has ended.
  // Goes into the kernel's cache, whose writing out is begun early: it does not
  // wait for the disk. One thread at a time.
  virtual Result<> append(std::string_view bytes) = 0;
  virtual uint64_t size() const = 0;  // appended so far, bytes
};

// How an engine gets one: Errc as append(), before anything is lost.
using BeginBody = std::function<Result<std::unique_ptr<BodySink>>()>;

}  // namespace impulse::message
