// EcstreamCourier: a connection to another server's ECStream listener
// (doc/ecstream.md), and those that come after it. Many messages are under way
// at once, and answered in their order. When the connection breaks the courier
// connects anew to the same address and asks how far its stream has come, so
// that what was taken does not go a second time; it keeps the messages
// meanwhile, and gives them up when that does not work out. Loop thread.
#pragma once

#include "delivery/courier.h"
#include "delivery/parcel.h"
#include "delivery/resumption.h"
#include "delivery/stream_job.h"
#include "delivery/stream_login.h"
#include "delivery/stream_pool.h"
#include "ecstream/client_session.h"
#include "ecstream/client_stream.h"
#include "ecstream/hello.h"
#include "message/body_source.h"
#include "net/connection.h"
#include "net/loop.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace impulse::delivery {

class EcstreamCourier final : public Courier, private net::ConnectionHandler {
 public:
  explicit EcstreamCourier(Setup setup);
  ~EcstreamCourier() override;

  Result<> start() override;
  void send(std::shared_ptr<const Letter> letter, const std::vector<uint32_t>& recipients) override;
  void rest() override;
  void hold() override;
  void quit() override;
  void close() override;

  bool takes_more() const override;
  bool usable() const override { return !end_ && !farewell_ && !hopeless_; }
  uint64_t jobs() const override { return given_; }
  std::string local() const override { return local_; }
  int fd() const override { return connection_ ? connection_->fd() : -1; }
  telemetry::Stage stage() const override;
  uint64_t bytes() const override { return connection_ ? connection_->bytes_out() : end_bytes_; }
  const smtp::ClientOffers& offers() const override { return offers_; }
  std::string_view protocol() const override { return route_->protocol(tls_ != nullptr); }

 private:
  using End = CourierHost::End;
  size_t on_data(std::string_view bytes) override;
  void on_tls(const net::TlsInfo& info) override;
  void on_connected() override;
  void on_deadline() override;
  void on_drained() override;
  void on_closed(net::CloseReason reason, std::string_view detail) override;

  smtp::Protection protection() const override { return {tls_ != nullptr, verified_, plain_because_}; }
  void have_read(const std::shared_ptr<message::BodyReader>& reader, const Result<std::string_view>& piece) override;

  Result<> connect();
  bool by_tls() const;
  void begin();
  void arm(Duration after);
  void note_places();
  void tell_time();
  void write_more();  // what there is, as much as window and buffer let through
  void carry_out();
  void take_events();
  void opened(const ecstream::ClientEvent& event);
  void refused(const ecstream::ClientEvent& event);
  void acknowledged(uint64_t sequence);
  void goes_away(const ecstream::ClientEvent& event);
  StreamJob* find(uint64_t sequence);
  void count_unsent();
  void tell_later();
  void tell();  // the host, what came meanwhile
  void tell_answers();
  void done(StreamJob& job);
  void leave();  // when all is answered
  void watch();  // sets the deadline for what is waited for
  bool moves() const;
  void end(End end, std::string why);
  // Of this connection; the first counts.
  void fault(End end, std::string why);

  // --- ecstream_bodies.cc
  void read_rest();
  void cannot_read(const std::string& why);
  void stop_reading();

  // --- ecstream_ends.cc
  bool in_doubt() const;
  bool has_failed(const StreamJob& job) const;
  StreamPool::Key place() const;
  void take_stream();
  void leave_stream();
  void renew();
  void resume();  // later, in a new connection
  void try_again();
  void give_up();

  const smtp::ClientOffers offers_;
  std::optional<StreamLogin> login_;
  ecstream::ClientStream stream_;
  std::optional<ecstream::ClientSession> session_;
  ecstream::ClientOutput out_;
  std::unique_ptr<net::Connection> connection_;
  std::string local_;
  std::deque<StreamJob> jobs_;
  size_t answered_ = 0;  // of these, from the front: there is an answer, which the host has not heard
  std::optional<std::pair<End, std::string>> end_;  // the first reason counts
  uint64_t given_ = 0;
  uint64_t rest_bytes_ = 0;  // of bodies that stay on the disk, of these jobs
  size_t rests_ = 0;
  uint64_t most_sent_ = 0;  // sequence, on earlier connections
  // When the deadline was set: bytes that had left, and PONGs among what was written.
  uint64_t marked_out_ = 0;
  uint64_t marked_pongs_ = 0;

  // Of this connection.
  std::optional<std::pair<End, std::string>> fault_;
  bool connected_ = false;
  bool handshaking_ = false;
  bool authenticated_ = false;
  bool open_ = false;
  bool farewell_ = false;  // the other side has said GOAWAY
  bool finished_ = false;  // nothing more is written
  // It is of no use any more, and has taken nothing behind that sequence.
  std::optional<uint64_t> taken_at_most_;
  ecstream::Again again_ = ecstream::Again::at_once;
  ecstream::Hello limits_;  // what the other side takes
  uint64_t noted_ = 0;      // sequence: behind it, jobs do not know yet where they stand

  // The rest of a large body, a piece at a time.
  enum class Fetch : uint8_t { no, when_drained, reading };
  Fetch fetch_ = Fetch::no;
  uint64_t reading_ = 0;  // sequence; 0: none
  std::shared_ptr<message::BodyReader> reader_;
  BodyLines lines_;
  uint64_t left_ = 0;  // of what reader_ gives

  telemetry::Stage end_stage_ = telemetry::Stage::not_connected;  // of the last connection
  uint64_t end_bytes_ = 0;
  bool was_open_ = false;
  bool verified_ = false;  // certificate and name
  bool ready_ = false;     // the host is to be asked for more
  bool hopeless_ = false;  // a new connection would be no better
  bool reused_ = false;    // stream_ has been another courier's, and it is not open yet
  bool stale_ = false;     // … and the server has something else by its name
  bool answers_ = false;   // something was acknowledged
  bool posted_ = false;
  Resumption resumption_;
  net::Timer timer_;  // until the next one
};

}  // namespace impulse::delivery
