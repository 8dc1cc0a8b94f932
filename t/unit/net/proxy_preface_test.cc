#include "net/proxy_preface.h"

#include "kit.h"
#include "proxy_bytes.h"

#include <optional>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n";

class ProxyPrefaceTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ProxyPrefaceTest);
  CPPUNIT_TEST(test_C70_takes_exactly_the_header);
  CPPUNIT_TEST(byte_by_byte);
  CPPUNIT_TEST(half_a_header_does_not_spin);
  CPPUNIT_TEST(large_header);
  CPPUNIT_TEST(unix_socket);
  CPPUNIT_TEST(test_C70_deadline);
  CPPUNIT_TEST(deadline_is_for_the_whole_header);
  CPPUNIT_TEST(bad_header);
  CPPUNIT_TEST(peer_goes);
  CPPUNIT_TEST(destroyed_before_and_in_the_call);
  CPPUNIT_TEST_SUITE_END();

  std::unique_ptr<Loop> loop_ = make_loop();
  std::unique_ptr<ProxyPreface> preface_;
  std::optional<Result<ProxyHeader>> result_;
  UniqueFd socket_;
  RawPeer peer_;
  int watched_ = -1;  // borrowed by the tests while the preface has it

  void begin(UniqueFd ours, UniqueFd theirs, Duration patience = std::chrono::seconds(60)) {
    set_nonblocking(ours.get());
    watched_ = ours.get();
    peer_ = RawPeer(std::move(theirs));
    auto started =
        ProxyPreface::start(*loop_, std::move(ours), patience, [this](Result<ProxyHeader> header, UniqueFd fd) {
          require(!result_, "told twice");
          require(static_cast<bool>(fd), "no descriptor");
          result_ = std::move(header);
          socket_ = std::move(fd);
          preface_.reset();
        });
    CPPUNIT_ASSERT(started.has_value());
    preface_ = std::move(*started);
  }
  void begin(Duration patience = std::chrono::seconds(60)) {
    TcpPair pair;
    begin(std::move(pair.ours), std::move(pair.theirs), patience);
  }
  const Result<ProxyHeader>& result() {
    run_until(*loop_, [&] { return result_.has_value(); }, "the header");
    return *result_;
  }
  std::string left() {
    char buffer[65536];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, static_cast<size_t>(got)) : std::string();
  }

 public:
  void tearDown() override {
    preface_.reset();
    result_.reset();
    socket_.reset();
    peer_ = {};
  }

  void test_C70_takes_exactly_the_header() {
    for (const std::string& header : {line, proxy_v2(0x21, 0x11, proxy_ipv4 + tlv(0x02, "mx.example.com"))}) {
      begin();
      const std::string client_hello("\x16\x03\x01\x00\x05", 5);
      peer_.send(header + client_hello);
      CPPUNIT_ASSERT_EQUAL(IpAddress::v4(0xC0000201).to_string(), result()->source.address().to_string());
      CPPUNIT_ASSERT_EQUAL(client_hello, left());
      peer_.receive();
      CPPUNIT_ASSERT_MESSAGE("something was sent", peer_.received.empty() && !peer_.ended);
      tearDown();
    }
  }

  void byte_by_byte() {
    for (const std::string& header : {line, proxy_v2(0x21, 0x21, proxy_ipv6)}) {
      begin();
      for (const char byte : header) {
        CPPUNIT_ASSERT(!result_);
        peer_.send({&byte, 1});
        spin(*loop_, 3);
      }
      peer_.send("EHLO x");
      CPPUNIT_ASSERT_EQUAL(true, result().has_value());
      spin(*loop_, 3);
      CPPUNIT_ASSERT_EQUAL(std::string("EHLO x"), left());
      tearDown();
    }
  }

  // The symptom would be a loop that turns as fast as it can.
  void half_a_header_does_not_spin() {
    begin();
    peer_.send(line.substr(0, 20));
    run_until(
        *loop_,
        [&] {
          char byte = 0;
          return ::recv(watched_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
        },
        "the first half is taken off");
    pollfd readable{watched_, POLLIN, 0};
    CPPUNIT_ASSERT_EQUAL(0, ::poll(&readable, 1, 0));
    CPPUNIT_ASSERT(!result_);
    peer_.send(line.substr(20));
    CPPUNIT_ASSERT(result().has_value());
  }

  void large_header() {
    begin();
    peer_.send(proxy_v2(0x21, 0x11, proxy_ipv4 + tlv(0xE0, std::string(4000, 'x'))) + "rest");
    CPPUNIT_ASSERT(result().has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("rest"), left());
  }

  void unix_socket() {
    int pair[2];
    CPPUNIT_ASSERT_EQUAL(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    begin(UniqueFd(pair[0]), UniqueFd(pair[1]));
    peer_.send(line + "QUIT\r\n");
    CPPUNIT_ASSERT(result().has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("QUIT\r\n"), left());
  }

  void test_C70_deadline() {
    begin(std::chrono::milliseconds(1));
    CPPUNIT_ASSERT(result().error().code == Errc::timeout);
  }

  void deadline_is_for_the_whole_header() {
    begin(std::chrono::milliseconds(50));
    size_t sent = 0;
    Timer drip(*loop_, [&] {
      peer_.send_some(line.substr(sent++ % 10, 1));
      drip.start(std::chrono::milliseconds(10));
    });
    // One byte after the other of a line that never ends, each well in time.
    peer_.send("PROXY UNKNOWN ");
    drip.start(std::chrono::milliseconds(10));
    CPPUNIT_ASSERT(result().error().code == Errc::timeout);
  }

  void bad_header() {
    begin();
    peer_.send("EHLO client.example\r\n");
    CPPUNIT_ASSERT(result().error().code == Errc::invalid);
    peer_.receive();
    CPPUNIT_ASSERT(peer_.received.empty());
  }

  void peer_goes() {
    begin();
    peer_.close();
    CPPUNIT_ASSERT_EQUAL(std::string("closed without a PROXY header"), result().error().message);
    tearDown();
    begin();
    peer_.send(line.substr(0, 12));
    peer_.close();
    CPPUNIT_ASSERT_EQUAL(std::string("closed in the middle of the PROXY header"), result().error().message);
    tearDown();
    begin();
    peer_.reset();
    CPPUNIT_ASSERT(result().error().code == Errc::io);
  }

  void destroyed_before_and_in_the_call() {
    begin();
    peer_.send(line);
    preface_.reset();  // the callback destroys it in all the other tests
    spin(*loop_);
    CPPUNIT_ASSERT(!result_);
    peer_.receive();
    CPPUNIT_ASSERT_MESSAGE("the descriptor is still open", peer_.ended || peer_.error != 0);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ProxyPrefaceTest);

}  // namespace
