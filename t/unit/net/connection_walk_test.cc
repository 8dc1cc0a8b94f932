// A random walk: two Connections talk to each other, and in every callback and
// between them something arbitrary is done, also to their lives. What must
// hold is checked after every step; the sanitizers see the rest.
#include "certs.h"
#include "net/connection.h"
#include "net/tls.h"
#include "recorder.h"

#include <random>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;
using namespace std::chrono_literals;

namespace {

class Walker : public ConnectionHandler {
 public:
  Walker(std::mt19937& random, TcpPair* pair, bool ours, Loop& loop, TlsContextPtr context)
      : random_(random), server_(ours), context_(std::move(context)) {
    ConnectionLimits limits;
    limits.input_limit = 32 << 10;
    limits.output_high = 16 << 10;
    connection_ = Connection::accepted(loop, std::move(ours ? pair->ours : pair->theirs), *this, {}, limits);
  }

  size_t on_data(std::string_view bytes) override {
    alive();
    require(!bytes.empty(), "bytes in on_data");
    const uint64_t sum = checksum(bytes);
    act();
    require(sum == checksum(bytes), "bytes valid to the end of on_data");
    return random_() % 3 == 0 ? random_() % (bytes.size() + 1) : bytes.size();
  }
  void on_tls(const TlsInfo& info) override {
    alive();
    require(!info.cipher.empty(), "a cipher");
    act();
  }
  void on_deadline() override {
    alive();
    act();
  }
  void on_drained() override {
    alive();
    require(connection_->unsent() == 0, "nothing unsent when drained");
    act();
  }
  void on_closed(CloseReason, std::string_view) override {
    alive();
    closed_ = true;
    if (random_() % 2 == 0) connection_.reset();
  }

  bool gone() const { return !connection_; }
  void act() {
    if (!connection_) return;
    switch (random_() % 24) {
      case 0:
        connection_->pause_reading();
        break;
      case 1:
      case 2:
      case 3:
        connection_->resume_reading();
        break;
      case 4:
        connection_->want_drained();
        break;
      case 5:
        connection_->deadline(std::chrono::microseconds(random_() % 2000));
        break;
      case 6:
        if (random_() % 4 == 0) connection_->finish();
        break;
      case 7:
        if (random_() % 8 == 0) connection_->close();
        break;
      case 8:
        if (random_() % 8 == 0) connection_.reset();
        break;
      case 9:
      case 10:
        if (server_)
          connection_->start_tls_server(context_);
        else
          connection_->start_tls_client(context_, "localhost", false);
        break;
      case 11:
        connection_->write(std::string(random_() % 100000, 'L'));
        break;
      default:
        connection_->write(std::string(random_() % 500, 's'));
        break;
    }
  }

 private:
  void alive() const { require(connection_ && !closed_, "no call after the end"); }
  static uint64_t checksum(std::string_view bytes) {
    uint64_t sum = bytes.size();
    for (const char c : bytes) sum = sum * 31 + static_cast<unsigned char>(c);
    return sum;
  }

  std::mt19937& random_;
  bool server_;
  TlsContextPtr context_;
  std::unique_ptr<Connection> connection_;
  bool closed_ = false;
};

class ConnectionWalkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConnectionWalkTest);
  CPPUNIT_TEST(random_walk);
  CPPUNIT_TEST_SUITE_END();

  void random_walk() {
    const Identity identity;
    TlsSettings settings;
    settings.certificate = identity.certificate() + identity.key();
    const auto server = TlsContext::server(settings).value(), client = TlsContext::client({}).value();
    auto loop = make_loop();
    for (unsigned seed = 1; seed <= 400; ++seed) {
      std::mt19937 random(seed);
      TcpPair pair(seed % 2 == 0 ? 16 << 10 : 0);
      Walker one(random, &pair, true, *loop, server), two(random, &pair, false, *loop, client);
      for (int step = 0; step < 120 && !(one.gone() && two.gone()); ++step) {
        one.act();
        if (random() % 2 == 0) two.act();
        event_base_loop(loop->base(), EVLOOP_ONCE | EVLOOP_NONBLOCK);
      }
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConnectionWalkTest);

}  // namespace
