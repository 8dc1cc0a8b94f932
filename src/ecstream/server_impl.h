// The insides of ServerSession, shared by the files that implement it:
// server_session.cc (frames, life and end), server_auth.cc (HELLO, AUTH, OPEN),
// server_message.cc (one message), server_batch.cc (what gathers, is submitted
// and answered).
//
// Invariants:
// - Every sequence up to memory_.done is answered for good. Those behind it up
//   to flight_->last are being committed, those up to received_ gather; then
//   comes the one in coming_, if any.
// - refused_ and flight_->refused hold what was refused of their stretch, in order.
// - In `closing` GOAWAY was said, and nothing is read any more; in `closed` all is answered.
#pragma once

#include "ecstream/frame.h"
#include "ecstream/hello.h"
#include "ecstream/message_check.h"
#include "ecstream/server_session.h"
#include "message/body_receiver.h"

#include <optional>
#include <utility>
#include <vector>

namespace impulse::ecstream {

struct ServerSession::Impl {
  // Bodies of a batch that are on the disk in part: their files are open until the commit.
  static constexpr uint32_t max_batch_files = 32;

  enum class Phase : uint8_t { hello, ready, auth, opening, open, body, closing, closed };

  // The message that is coming in.
  struct Coming {
    uint64_t sequence = 0;
    bool repeated = false;  // it is a double: read, and thrown away
    bool want_id = false;
    bool admitted = false;
    std::optional<Refused> refused{};  // it has got its NAK; what is left of it is thrown away
    std::optional<uint64_t> size{};    // as announced
    size_t envelope_size = 0;          // octets of it in the frame
    message::Envelope envelope{};
    std::shared_ptr<const Policy> policy{};  // that it is judged by
    std::unique_ptr<message::BodyReceiver> body{};
  };

  // What is being committed.
  struct Flight {
    uint64_t last = 0;
    std::vector<uint64_t> sequences;                   // of its messages
    std::vector<std::pair<uint64_t, size_t>> want_id;  // sequence, index in `sequences`
    uint64_t recipients = 0;
    std::vector<Refused> refused;
  };

  Impl(std::shared_ptr<const Policy> policy, ClientInfo client, ServerHost& host)
      : policy_(std::move(policy)),
        client_(std::move(client)),
        host_(host),
        reader_(Side::client, policy_->max_frame),
        login_(host),
        window_(policy_->window),
        widest_(window_) {}

  // server_session.cc
  void begin(Output& out);  // of a call
  void finish();
  size_t feed(std::string_view bytes);
  void on_frame(const Frame& frame);
  void write(FrameType type, uint8_t flags, uint64_t sequence, std::string_view payload);
  void goaway(GoAway code, std::string_view text, uint64_t sequence);
  void end(GoAway code) { end(code, text(code)); }
  void end(GoAway code, std::string_view text);   // what gathers is answered
  void kill(GoAway code, std::string_view text);  // … only what is being committed
  void fault(GoAway code);                        // of the client's
  void settle();                                  // closing: closed, when all is answered
  Waiting waiting() const;
  bool answering() const { return phase_ < Phase::closing; }

  // server_auth.cc
  void on_hello(const Frame& frame);
  void on_auth(const Frame& frame);
  void auth_start(const Frame& frame);
  void answer_auth(auth::Login::State state);
  void auth_failed(int code, std::string_view enhanced, std::string_view text, std::string_view cause);
  void challenge(std::string_view octets);
  std::string mechanisms() const;
  auth::Login::Scene scene() const { return {*policy_, client_, tls_}; }
  void on_open(const Frame& frame);
  void opened(Result<StreamMemory> memory);
  void opened(StreamMemory memory);

  // server_message.cc
  void on_message(const Frame& frame);
  void on_chunk(const Frame& frame);
  void on_skip(const Frame& frame);
  enum class Place : uint8_t { next, repeated, wrong };
  Place place_of(uint64_t sequence);
  void begin_message(const Frame& frame, std::string_view envelope);
  void end_of_message();
  void finish_message(Coming& coming);
  void refuse_coming(const MessageRefusal& why, std::string_view sender = {}, std::string_view recipient = {});
  std::optional<MessageRefusal> admit_recipient(std::string_view sender, std::string_view recipient);
  std::optional<MessageRefusal> check_binding(const std::vector<std::pair<std::string, std::string>>& said);
  void fill(message::Envelope& envelope) const;
  void add_trace(TakenMessage& taken, bool utf8) const;
  std::string protocol() const;
  void drop_coming();

  // server_batch.cc
  bool gathered() const { return received_ > covered(); }
  uint64_t covered() const { return flight_ ? flight_->last : memory_.done; }
  bool full() const {
    return batch_.size() >= policy_->max_batch || batch_bytes_ >= policy_->max_batch_bytes ||
           batch_files_ >= max_batch_files;
  }
  Duration price() const;
  void drop_batch();
  void settle_without_commit();
  Submission take_submission();
  void submitted(const Result<std::vector<MessageId>>& result, std::string_view node);
  void move_done(uint64_t done, std::vector<Refused> refused);
  void acknowledge();
  void acknowledge_with_ids(const std::vector<MessageId>& ids, const Flight& flight, std::string_view node);
  void send_nak(uint64_t sequence, const MessageRefusal& why, bool repeated);
  void on_flush();

  std::shared_ptr<const Policy> policy_;
  ClientInfo client_;
  ServerHost& host_;
  Output* out_ = nullptr;  // of the call that is running

  FrameReader reader_;
  bool checksums_ = false;
  Phase phase_ = Phase::hello;
  bool told_open_ = false;  // Next::open was given out
  std::optional<TlsState> tls_;
  std::string helo_;
  size_t progress_ = 0;  // octets since the deadline began anew

  auth::Login login_;

  Opening opening_;
  bool open_new_ = false;
  uint64_t open_sequence_ = 0;

  StreamMemory memory_;
  uint64_t received_ = 0;
  uint64_t limit_ = 0;  // the highest sequence that the window lets through
  uint32_t window_;
  uint32_t widest_;  // window that there was
  std::optional<Coming> coming_;

  std::vector<TakenMessage> batch_;
  std::vector<uint64_t> batch_ids_;  // sequences that want an id
  std::vector<Refused> refused_;
  uint64_t batch_bytes_ = 0;
  uint32_t batch_files_ = 0;
  bool submit_now_ = false;
  std::optional<Flight> flight_;
  bool ack_due_ = false;           // a double wants its answer
  std::vector<uint64_t> flushes_;  // to be answered when these are done, ascending
  uint64_t messages_ = 0;
  uint64_t recipients_ = 0;
};

}  // namespace impulse::ecstream
