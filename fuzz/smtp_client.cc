// A hostile server for smtp::ClientSession. The first byte chooses TLS use and
// how the rest is cut, the second how many recipients and which body; all
// others are what the server says, where a NUL byte ends one read.
#include "smtp/client_session.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

using namespace impulse;
using namespace impulse::smtp;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr std::string_view bodies[] = {"", "Subject: x\r\n\r\nhi\r\n", ".\r\n..\n.\r", "\xC3\xA4\r\r\n"};

class Owner : public ClientHost {
 public:
  Owner(uint8_t tls, uint8_t shape) : shape_(shape), session_(make_settings(tls), ClientTimeouts{}, *this) {
    session_.start(out_);
  }

  // One read of the server's bytes.
  void read(std::string_view bytes) {
    while (!bytes.empty() && out_.next != ClientNext::close) {
      const size_t used = session_.feed(bytes, out_);
      require(used <= bytes.size());
      bytes.remove_prefix(used);
      if (out_.next == ClientNext::start_tls) {
        session_.tls_started(out_);
        return;  // nothing of the clear may go on
      }
      require(used > 0 || out_.next == ClientNext::close);
    }
  }

  void finish() {
    session_.lost("end of input");
    require(!in_job_);
    for (size_t i = 0; i < out_.bytes.size(); ++i) {
      if (out_.bytes[i] == '\r') require(i + 1 < out_.bytes.size() && out_.bytes[i + 1] == '\n');
      if (out_.bytes[i] == '\n') require(i > 0 && out_.bytes[i - 1] == '\r');
    }
  }

  void ready() override {
    require(!in_job_ && failures_ == 0);
    if (jobs_ == 4) return session_.quit(out_);
    ++jobs_;
    Job job;
    job.sender = jobs_ % 2 == 0 ? "" : "alice@example.org";
    job.recipients.assign(shape_ % 4, message::Recipient{"bob@example.net"});
    if (shape_ & 0x40) job.recipients.push_back({"not > sendable@x"});
    job.body = bodies[(shape_ >> 2) % 4];
    if (shape_ & 0x10) job.body_type = message::BodyType::eight_bit_mime;
    job.smtputf8 = (shape_ & 0x20) != 0;
    expected_ = job.recipients.size();
    in_job_ = true;
    session_.send(job, out_);
  }
  void job_done(std::vector<Reply> replies) override {
    require(std::exchange(in_job_, false) && replies.size() == expected_);
    for (const auto& reply : replies) {
      require(reply.code == 0 || (reply.code >= 200 && reply.code < 600 && reply.code / 100 != 3));
      require(reply.text.size() <= 512);
      require(reply.text.find_first_of("\r\n") == std::string::npos);
    }
  }
  void failed(const Reply& reason) override {
    require(!in_job_ && failures_++ == 0);
    require(reason.text.size() <= 512);
  }

 private:
  static ClientSettings make_settings(uint8_t tls) {
    ClientSettings settings;
    settings.ehlo_name = "me.example";
    settings.tls = static_cast<TlsUse>(tls % 3);
    settings.max_line = 512;
    settings.max_reply_lines = 16;
    return settings;
  }

  uint8_t shape_;
  ClientOutput out_;
  ClientSession session_;
  bool in_job_ = false;
  int jobs_ = 0;
  int failures_ = 0;
  size_t expected_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Owner owner(data[0], data[1]);
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool one_by_one = (data[0] & 0x80) != 0;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\0');
    std::string_view piece = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (!one_by_one) {
      owner.read(piece);
      continue;
    }
    for (; !piece.empty(); piece.remove_prefix(1)) owner.read(piece.substr(0, 1));
  }
  owner.finish();
  return 0;
}
