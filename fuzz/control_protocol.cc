// Feeds a control session anything, cut into pieces that the first byte
// chooses. Every request gets exactly one status line; every line of a reply
// begins as the protocol says, is whole, short enough, and harmless on a
// terminal; how the input was cut makes no difference to how many requests it
// held; what an unfinished request takes is bounded.
//
// The first line may say who the client is: "~tcp", one on this machine, who
// has to authenticate; "~far", the same from afar, under TLS; "~unix", a user
// whom roles bind. Then nobody gets anything done without having proved a
// password. A challenge has nonces in it, so these lines are stood in for:
//   ~MECHANISM USER PASSWORD   begins an exchange with that mechanism
//   ~                          what GNU SASL's client answers to what was last said
//   ~~                         the same, with one bit of it wrong
#include "../t/unit/auth/sasl_client.h"
#include "../t/unit/control/fake_system.h"

#include "auth/password.h"
#include "base/files.h"
#include "base/text.h"
#include "control/limits.h"
#include "control/safe_text.h"
#include "kit.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace impulse;
using namespace impulse::control;

using fuzz::check;

// Files in which alice's password is sesame.
class Passwords {
 public:
  Passwords() {
    check(::mkdtemp(folder_) != nullptr, "no folder for the passwords");
    write("clear", "alice:sesame\nbob:\n");
    write("digest", "alice:home:4bd07bcc756515dd1b30f3a9ea7ef6cc\n");
    write("scram",
          "alice:SCRAM-SHA-256$4096:c2FsdA==$2V0jJ1FNgOtgY2z/yPm1u1C+iJf8pObzIFevFRkvom0=:"
          "CXfSwB1+2FsJZaz0uhRg2fsnNSrJZfy+Kv77jUurHnE=\n"
          "alice:SCRAM-SHA-1$4096:c2FsdA==$DOc6RZtjHLC0Ugra3VDI9FSDtUk=:+BZgowaWAKEFn03gfMUFeGTrTPg=\n");
    write("groups", "admin:alice\n");
  }
  ~Passwords() {
    for (const char* name : {"clear", "digest", "scram", "groups"}) ::unlink((folder() + name).c_str());
    ::rmdir(folder_);
  }
  Passwords(const Passwords&) = delete;
  Passwords& operator=(const Passwords&) = delete;
  std::string folder() const { return std::string(folder_) + '/'; }

 private:
  void write(const char* name, std::string_view text) const {
    check(replace_file(folder() + name, text, 0600).has_value(), "a file of passwords cannot be written");
  }
  char folder_[32] = "/tmp/fuzz_control_XXXXXX";
};

std::string with_authentication(const std::string& folder) {
  return fmt::format(
      "Hostname = mx.example.com\n"
      "Authorization {{ Role admin {{ Allow = ( '.*' ) }} Role ops {{ Allow = ( '^(summary|config get)( |$)' ) }} }}\n"
      "Control_Listener {{\n"
      "  AuthLoginParameters = [ uri = file://{0}clear ]\n"
      "  AuthCramMD5Parameters = [ uri = file://{0}clear ]\n"
      "  AuthDigestMD5Parameters = [ uri = digest://{0}digest, realm = home ]\n"
      "  AuthScramParameters = [ uri = scram://{0}scram ]\n"
      "  AuthorizationParameters = [ uri = groups://{0}groups ]\n"
      "  Enable_Authorization = true\n  Auth_Failure_Rate = 5/600\n"
      "  Listen /c {{ }}\n  Listen 192.0.2.1:2025 {{ Enable_Authentication = true }}\n}}\n",
      folder);
}

class Accounts : public telemetry::Acctlog {
 public:
  void authentication(const telemetry::Account&, bool good) override { proven = proven || good; }
  void timeout(const telemetry::Account&) override {}
  void command(const telemetry::Account&, bool, std::string_view command, std::string_view) override {
    check(is_utf8(command), "a command is accounted for that is not UTF-8");
  }
  telemetry::LineWriter* writer() override { return nullptr; }
  bool proven = false;
};

std::optional<Client> client_of(std::string_view line) {
  Client client;
  if (line == "~unix") {
    client.listen = client.peer = Endpoint::unix_socket("/c");
    client.uid = 1000;
    client.user = "bob";
    client.groups = {"ops"};
    return client;
  }
  if (line != "~tcp" && line != "~far") return std::nullopt;
  client.listen = *Endpoint::parse("192.0.2.1:2025");
  client.peer = *Endpoint::parse(line == "~tcp" ? "127.0.0.1:5000" : "198.51.100.1:5000");
  client.tls = line == "~far";
  return client;
}

// A daemon, and how it was before any session.
class Daemon {
 public:
  explicit Daemon(std::string text) : text_(std::move(text)) { make(); }
  test::FakeSystem& system() { return *system_; }
  // Forgets what was set.
  void forget() {
    if (system_->engine().current()->root() == root_) return;
    const bool again = system_->engine().reload({}, {"fuzzer"}).ok;
    if (!again) make();  // a commit waits to be confirmed
    root_ = system_->engine().current()->root();
  }

 private:
  void make() {
    system_ = std::make_unique<test::FakeSystem>(text_);
    check(system_->loaded.ok, "the configuration has mistakes");
    root_ = system_->engine().current()->root();
  }
  std::string text_;
  std::unique_ptr<test::FakeSystem> system_;
  config::ScopePtr root_;
};

// What all sessions stand on.
struct World {
  Passwords passwords;
  Daemon open{test::FakeSystem::default_configuration};
  Daemon guarded{with_authentication(passwords.folder())};
  std::unique_ptr<auth::Sasl> sasl = std::move(*auth::Sasl::create());
  auth::Files files;
};

class Conversation {
 public:
  Conversation(World& world, const std::optional<Client>& client, size_t piece)
      : system_((client ? world.guarded : world.open).system()), client_(client), piece_(piece) {
    PeerIdentity peer;
    std::unique_ptr<Access> access;
    if (client) {
      const auto snapshot = system_.engine().current();
      const auto options_in = [client = *client](const config::Snapshot& now) -> const config::Options* {
        const config::ListenConf* listen = now.find_listen(config::ScopeKind::control_listener, client.listen);
        if (listen == nullptr) return nullptr;
        return client.peer.is_unix() ? &listen->options() : &listen->for_peer(client.peer.address());
      };
      access = std::make_unique<Access>(AccessParts{*world.sasl, world.files, failures_, accounts_, "mx.example.com"},
                                        *client, snapshot, *options_in(*snapshot), options_in);
      peer = {client->uid, client->user, "here"};
    }
    session_ = std::make_unique<Session>(system_, table_, peer, About{"1.2.3", test::test_now}, Session::Audit{},
                                         std::move(access));
    pump();
    out_.clear();  // the greeting
  }

  // Requests that were answered.
  uint64_t run(std::string_view input) {
    const uint64_t generation = system_.engine().current()->generation();
    const int shut_downs = system_.shut_downs;
    while (!input.empty() && !session_->finished()) {
      const size_t end = std::min(client_ ? stand_in(input) : input.size(), input.size());
      feed(input.substr(0, end));
      input.remove_prefix(end);
      if (input.empty() || session_->finished()) break;
      const std::string_view line = input.substr(0, input.find('\n'));
      feed(in_place_of(line));
      input.remove_prefix(std::min(line.size() + 1, input.size()));
    }
    if (client_ && !client_->peer.is_unix() && !accounts_.proven)
      check(system_.engine().current()->generation() == generation && system_.shut_downs == shut_downs,
            "somebody got something done who is nobody");
    const uint64_t statuses = statuses_said();
    check(statuses == session_->requests(), "requests and statuses differ");
    return statuses;
  }

 private:
  // Where the next line stands that begins with '~'.
  static size_t stand_in(std::string_view input) {
    if (input.starts_with('~')) return 0;
    const size_t found = input.find("\n~");
    return found == std::string_view::npos ? found : found + 1;
  }

  std::string in_place_of(std::string_view line) {
    if (line == "~" || line == "~~") {
      const size_t mark = out_.rfind("\n?");
      const size_t begin = mark != std::string::npos ? mark + 2 : out_.starts_with('?') ? 1 : out_.size();
      std::string challenge, response;
      auth::from_base64(std::string_view(out_).substr(begin, out_.find('\n', begin) - begin), challenge);
      if (sasl_ && sasl_->code == GSASL_NEEDS_MORE) response = sasl_->step(challenge);
      if (line == "~~" && !response.empty()) response[response.size() / 2] ^= 1;
      return auth::to_base64(response) + '\n';
    }
    const auto given = words(line.substr(1));
    if (given.empty()) return "\n";
    const auto mechanism = auth::find_mechanism(given[0]);
    sasl_.reset();
    // The library's client leaks where SASLprep refuses a password.
    const bool plain = std::ranges::all_of(line, [](char c) { return c >= ' ' && c < 0x7F; });
    if (mechanism && given.size() == 3 && plain)
      sasl_.emplace(std::string(name(*mechanism)), std::string(given[1]), std::string(given[2]));
    return fmt::format("@s authenticate {}\n", given[0]);
  }

  void pump() {
    while (session_->produce(out_, piece_)) {
      if (session_->held_back() == Duration{0}) continue;
      check(session_->feed("version\n") == 0, "it reads while it makes somebody wait");
      session_->release();
    }
  }

  void feed(std::string_view input) {
    while (!input.empty() && !session_->finished()) {
      input.remove_prefix(session_->feed(input.substr(0, piece_)));
      check(session_->held() < 4 * (max_line + max_payload), "an unfinished request takes too much memory");
      pump();
    }
  }

  uint64_t statuses_said() const {
    uint64_t statuses = 0;
    std::string_view rest = out_;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      check(end != std::string_view::npos, "a reply ends in the middle of a line");
      const std::string_view line = rest.substr(0, end);
      check(!line.empty() && line.size() < max_line, "an empty or an overlong line");
      const char first = line.front();
      check(first == ' ' || first == '!' || first == '=' || (first == '?' && client_), "a line begins as none may");
      check(is_safe_text(line), "a line could harm a terminal");
      std::string challenge;
      if (first == '?') check(auth::from_base64(line.substr(1), challenge), "a challenge is not base64");
      if (first == '=') ++statuses;
      rest.remove_prefix(end + 1);
    }
    return statuses;
  }

  test::FakeSystem& system_;
  const CommandTable table_{all_commands()};
  std::optional<Client> client_;
  size_t piece_;
  auth::FailureRate failures_;
  Accounts accounts_;
  std::optional<auth::test::SaslClient> sasl_;
  std::unique_ptr<Session> session_;
  std::string out_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t end = input.find('\n');
  const std::optional<Client> client = client_of(input.substr(0, end));
  if (client) input.remove_prefix(std::min(input.size(), end == std::string_view::npos ? end : end + 1));
  Daemon& daemon = client ? world.guarded : world.open;
  const uint64_t whole = Conversation(world, client, size_t{1} << 20).run(input);
  daemon.forget();
  const uint64_t cut = Conversation(world, client, size_t{data[0]} + 1).run(input);
  check(whole == cut, "cutting the input elsewhere makes other requests of it");
  daemon.forget();
  return 0;
}
