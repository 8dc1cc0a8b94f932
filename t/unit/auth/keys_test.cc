// API keys: files of them as they are read, as somebody edits them, and what is
// said to those who present one.
#include "auth/keys.h"
#include "auth/files.h"
#include "auth/key_file.h"
#include "auth/parameters.h"
#include "base/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <cstdlib>
#include <set>

using namespace impulse;
using namespace impulse::auth;
using namespace std::string_literals;
using namespace std::chrono_literals;

namespace {

const std::string secret(43, 'x');
const WallTime now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 12h;

std::string presented(std::string_view id) { return fmt::format("imp_{}_{}", id, secret); }
std::string line(std::string_view id, std::string_view rest) {
  return fmt::format("{}:{}:{}\n", id, key_hash(presented(id)), rest);
}

class KeysTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(KeysTest);
  CPPUNIT_TEST(a_key_and_whose_it_is);
  CPPUNIT_TEST(nobody_learns_which_ids_there_are);
  CPPUNIT_TEST(a_hash_is_of_one_id);
  CPPUNIT_TEST(expiry);
  CPPUNIT_TEST(moments);
  CPPUNIT_TEST(rights);
  CPPUNIT_TEST(tenants);
  CPPUNIT_TEST(bad_lines_are_told_by_number_and_not_quoted);
  CPPUNIT_TEST(known_hash);
  CPPUNIT_TEST(what_logs_may_hold);
  CPPUNIT_TEST_SUITE_END();

  std::vector<BadLine> bad_;
  std::shared_ptr<const Keys> parse(std::string_view text) {
    bad_.clear();
    return Keys::parse(text, bad_);
  }

  void a_key_and_whose_it_is() {
    const auto keys = parse("# comment\n\n" + line("one", "alice:Blue:inject,metrics:20270131T120000Z:news: weekly") +
                            line("two", "bob::admin::"));
    CPPUNIT_ASSERT(bad_.empty());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, keys->size());
    const auto one = keys->check(presented("one"), now);
    CPPUNIT_ASSERT(one);
    CPPUNIT_ASSERT_EQUAL("one"s, one->id);
    CPPUNIT_ASSERT_EQUAL("alice"s, one->user);
    CPPUNIT_ASSERT_EQUAL("blue"s, one->tenant);
    CPPUNIT_ASSERT_EQUAL("news: weekly"s, one->label);
    CPPUNIT_ASSERT(one->rights.has(Right::inject) && one->rights.has(Right::metrics) && !one->rights.has(Right::admin));
    const auto two = keys->check(presented("two"), now);
    CPPUNIT_ASSERT(two && two->tenant.empty() && two->label.empty() && !two->expires);
    CPPUNIT_ASSERT_EQUAL("one"s, keys->all().front().id);
    CPPUNIT_ASSERT_EQUAL("two"s, keys->all().back().id);
  }
  void nobody_learns_which_ids_there_are() {
    const auto keys = parse(line("one", "alice::inject::") + line("old", "alice::inject:2020-01-01:"));
    std::set<std::string> said;
    for (const std::string& key :
         {"imp_one_" + std::string(43, 'y'), "imp_none_" + secret, "imp_old_" + secret + "y",
          "imp_one_" + secret.substr(1), "imp_one_"s, "imp_one"s, "one"s, ""s, "IMP_one_" + secret, "imp_One_" + secret,
          "imp__" + secret, presented("one") + "\n", presented("one") + " ", presented("one") + "\0"s,
          " " + presented("one"), "imp_one_" + std::string(100000, 'x')}) {
      const auto found = keys->check(key, now);
      CPPUNIT_ASSERT_MESSAGE(key.substr(0, 80), !found);
      CPPUNIT_ASSERT(found.error().code == Errc::denied);
      said.insert(found.error().message);
    }
    CPPUNIT_ASSERT_EQUAL(size_t{1}, said.size());
    CPPUNIT_ASSERT(!parse("")->check(presented("one"), now));
  }
  // Whoever can write a line of the file cannot make an admin's key of another one.
  void a_hash_is_of_one_id() {
    const auto keys = parse(fmt::format("two:{}:bob::admin::\n", key_hash(presented("one"))));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, keys->size());
    CPPUNIT_ASSERT(!keys->check(presented("one"), now) && !keys->check(presented("two"), now));
  }
  void expiry() {
    const auto keys = parse(line("one", "alice::inject:20261121T120000Z:"));
    CPPUNIT_ASSERT(keys->check(presented("one"), now - 1us));
    const auto late = keys->check(presented("one"), now);
    CPPUNIT_ASSERT(!late && late.error().code == Errc::timeout);
    CPPUNIT_ASSERT(late.error().message.find(secret) == std::string::npos);
  }
  void moments() {
    CPPUNIT_ASSERT_EQUAL("20261121T120000Z"s, format_expiry(now));
    CPPUNIT_ASSERT(*parse_expiry("20261121T120000Z") == now);
    CPPUNIT_ASSERT(*parse_expiry("2026-11-21") == now - 12h);
    CPPUNIT_ASSERT_EQUAL("20240229T235959Z"s, format_expiry(*parse_expiry("20240229T235959Z")));
    for (const char* wrong : {"", "2026", "2026-11-21T12:00:00Z", "20261121T120000", "20261121T240000Z",
                              "20261121T126000Z", "20261121T120060Z", "2026-02-29", "2026-13-01", "2026-00-01",
                              "2026-1-001", "1969-12-31", "20261121T 12000Z", "+0261121T120000Z", "2026-11-21 "})
      CPPUNIT_ASSERT_MESSAGE(wrong, !parse_expiry(wrong));
  }
  void rights() {
    CPPUNIT_ASSERT_EQUAL("inject,metrics,admin"s, Rights::parse("admin, Inject ,metrics")->to_string());
    CPPUNIT_ASSERT(Rights::parse("admin")->has(Right::admin) && !Rights::parse("admin")->has(Right::inject));
    for (const char* wrong : {"", ",", "inject,", "root", "inject,inject", "inject metrics"})
      CPPUNIT_ASSERT_MESSAGE(wrong, !Rights::parse(wrong));
    CPPUNIT_ASSERT(Rights().empty());
  }
  void tenants() {
    const auto keys = parse(line("one", "alice:blue:inject::") + line("two", "bob::inject::"));
    const KeyEntry blue = *keys->check(presented("one"), now);
    CPPUNIT_ASSERT(blue.serves("") && blue.serves("Blue") && !blue.serves("green"));
    const KeyEntry plain = *keys->check(presented("two"), now);
    CPPUNIT_ASSERT(plain.serves("") && !plain.serves("blue"));
  }
  void bad_lines_are_told_by_number_and_not_quoted() {
    const std::string hash(64, 'a');
    const std::string wrong[] = {
        "one",
        "one:" + hash,
        "one:" + hash + ":alice::inject:",  // six fields
        ":" + hash + ":alice::inject::",
        "One:" + hash + ":alice::inject::",
        "o_e:" + hash + ":alice::inject::",
        std::string(33, 'a') + ":" + hash + ":alice::inject::",
        "one:geheim:alice::inject::",
        "one:" + hash + "a:alice::inject::",
        "one:" + std::string(64, 'g') + ":alice::inject::",
        "one:" + hash + ":::inject::",
        "one:" + hash + ":al\x01ice::inject::",
        "one:" + hash + ":alice:a/b:inject::",
        "one:" + hash + ":alice::geheim::",
        "one:" + hash + ":alice::::",
        "one:" + hash + ":alice::inject:geheim:",
        "one:" + hash + ":alice::inject:2026-02-30:",
        "one:" + hash + ":alice::inject::\x7f",
        "one:" + hash + ":alice::inject::\xff",
        "one:" + hash + ":alice::inject::" + std::string(256, 'l'),
    };
    for (const std::string& each : wrong) {
      const auto keys = parse("#\n" + each + "\n");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(each, size_t{1}, bad_.size());
      CPPUNIT_ASSERT_EQUAL(uint32_t{2}, bad_.front().line);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(each, std::string::npos, bad_.front().why.find("geheim"));
      CPPUNIT_ASSERT_EQUAL(size_t{0}, keys->size());
    }
    parse(line("one", "alice::inject::") + line("one", "bob::inject::"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, bad_.size());  // which of the two would it be?
  }
  // The documented way to make a line by hand: printf %s KEY | sha256sum.
  void what_logs_may_hold() {
    const std::string key = "imp_ab12_" + std::string(43, 'x');
    const auto shows = [](std::string_view shown, const std::string& text) {
      CPPUNIT_ASSERT_EQUAL(std::string(shown), without_keys(text));
    };
    shows("imp_ab12_***", key);
    shows("imp_ab12_***", key.substr(0, 20));
    shows("imp_ab12_***", key + "-_y");
    shows("imp_AB12_***", "imp_AB12_" + std::string(43, 'x'));
    shows("blue/imp_ab12_***", "blue/" + key);
    shows("imp_ab12_***@blue, imp_ab12_***.", key + "@blue, " + key + ".");
    shows("imp_imp_***", "imp_" + key);
    shows("/x?key=imp_ab12_***&y=1", "/x?key=" + key + "&y=1");
    for (const char* name :
         {"", "alice", "imp_", "imp_ab12", "imp_ab12_", "imp__01234567", "shrimp_a_b", "imp_imp_x", "imp_ab12_1234567"})
      shows(name, name);
  }

  void known_hash() {
    CPPUNIT_ASSERT_EQUAL("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"s, key_hash("abc"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(KeysTest);

class KeyFileTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(KeyFileTest);
  CPPUNIT_TEST(a_life);
  CPPUNIT_TEST(no_two_are_alike);
  CPPUNIT_TEST(the_rest_stays);
  CPPUNIT_TEST(what_a_file_cannot_hold);
  CPPUNIT_TEST_SUITE_END();

  static KeyFile parsed(std::string_view text) {
    auto file = KeyFile::parse(text);
    CPPUNIT_ASSERT(file);
    return *file;
  }
  static NewKey wanted() {
    NewKey key;
    key.user = "alice";
    key.tenant = "Blue";
    key.rights.add(Right::inject);
    key.label = "a: label";
    return key;
  }
  static Result<KeyEntry> check(const KeyFile& file, std::string_view key) {
    std::vector<BadLine> bad;
    return Keys::parse(file.text(), bad)->check(key, now);
  }

  void a_life() {
    KeyFile file = parsed("");
    const auto made = file.add(wanted());
    CPPUNIT_ASSERT(made);
    CPPUNIT_ASSERT(made->presented.starts_with("imp_" + made->id + "_"));
    CPPUNIT_ASSERT_EQUAL(std::string::npos, file.text().find(made->presented.substr(made->presented.rfind('_') + 1)));
    const auto found = check(file, made->presented);
    CPPUNIT_ASSERT(found && found->user == "alice" && found->tenant == "blue" && found->label == "a: label");
    CPPUNIT_ASSERT(file.expire(made->id, now));
    CPPUNIT_ASSERT(check(file, made->presented).error().code == Errc::timeout);
    CPPUNIT_ASSERT_EQUAL("a: label"s, file.keys().front().label);
    CPPUNIT_ASSERT(file.expire(made->id, now + 1s));
    CPPUNIT_ASSERT(check(file, made->presented));
    CPPUNIT_ASSERT(file.expire(made->id, std::nullopt));
    CPPUNIT_ASSERT(!check(file, made->presented)->expires);
    CPPUNIT_ASSERT(!file.expire("nobody", now) && !file.revoke("nobody"));
    CPPUNIT_ASSERT(file.revoke(made->id));
    CPPUNIT_ASSERT(check(file, made->presented).error().code == Errc::denied);
    CPPUNIT_ASSERT_EQUAL(""s, file.text());
  }
  void no_two_are_alike() {
    KeyFile file = parsed("");
    std::set<std::string> keys;
    for (int i = 0; i < 50; ++i) {
      const auto made = file.add(wanted());
      CPPUNIT_ASSERT(key_id_of(made->presented) == made->id);
      keys.insert(made->presented);
      keys.insert(made->id);
    }
    CPPUNIT_ASSERT_EQUAL(size_t{100}, keys.size());
    CPPUNIT_ASSERT_EQUAL(size_t{50}, file.keys().size());
  }
  void the_rest_stays() {
    const std::string others = "# ours\r\n\n" + line("one", "bob::admin::x") + "#one:\n";
    KeyFile file = parsed(others + line("two", "carol::inject::").substr(0, line("two", "carol::inject::").size() - 1));
    const auto made = file.add(wanted());
    CPPUNIT_ASSERT(made && file.revoke("two"));
    CPPUNIT_ASSERT(file.text().starts_with(others + made->id + ":"));
    CPPUNIT_ASSERT(file.revoke("one"));
    CPPUNIT_ASSERT(file.text().starts_with("# ours\r\n\n#one:\n" + made->id + ":"));
    CPPUNIT_ASSERT(check(file, made->presented));
  }
  void what_a_file_cannot_hold() {
    KeyFile file = parsed("");
    for (const std::string& user : {""s, "a:b"s, "a\nb"s, " a"s, std::string(256, 'a')}) {
      NewKey key = wanted();
      key.user = user;
      CPPUNIT_ASSERT_MESSAGE(user, !file.add(key));
    }
    for (const std::string& label : {"a\nb"s, "a\rb"s, "\r"s, "a\n"s, "\xff"s, std::string(256, 'a')}) {
      NewKey key = wanted();
      key.label = label;
      CPPUNIT_ASSERT_MESSAGE(label, !file.add(key));
    }
    NewKey key = wanted();
    key.rights = Rights();
    CPPUNIT_ASSERT(!file.add(key));
    key = wanted();
    key.tenant = "a:b";
    CPPUNIT_ASSERT(!file.add(key));
    CPPUNIT_ASSERT_EQUAL(""s, file.text());
    const auto broken = KeyFile::parse("#\nnonsense\n");
    CPPUNIT_ASSERT(!broken && broken.error().message.find("line 2") != std::string::npos);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(KeyFileTest);

class KeysInUseTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(KeysInUseTest);
  CPPUNIT_TEST(read_again_when_they_change);
  CPPUNIT_TEST(inspected_before_use);
  CPPUNIT_TEST(named_by_an_option);
  CPPUNIT_TEST_SUITE_END();

  std::string folder_;
  std::vector<std::string> said_;

 public:
  void setUp() override {
    char name[] = "/tmp/auth_keys_XXXXXX";
    folder_ = ::mkdtemp(name);
    said_.clear();
  }
  void tearDown() override {
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }

 private:
  std::string path() const { return folder_ + "/keys"; }
  void write(std::string_view text, mode_t mode = 0600) { CPPUNIT_ASSERT(replace_file(path(), text, mode)); }

  void read_again_when_they_change() {
    Files files([this](std::string_view text) { said_.emplace_back(text); });
    const auto works = [&](std::string_view id) { return files.keys(path())->check(presented(id), now).has_value(); };
    CPPUNIT_ASSERT(!works("one") && !files.keys_readable(path()));
    write(line("one", "alice::inject::"));
    CPPUNIT_ASSERT(works("one") && files.keys_readable(path()));
    CPPUNIT_ASSERT(files.keys(path()) == files.keys(path()));
    write(line("two", "alice::inject::"));  // one is revoked
    CPPUNIT_ASSERT(!works("one") && works("two"));
    said_.clear();
    write(line("three", "alice::inject::") + "geheim\n");
    CPPUNIT_ASSERT(works("two") && !works("three"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, said_.size());
    CPPUNIT_ASSERT(said_.front().starts_with(path() + ":2: "));
    CPPUNIT_ASSERT_EQUAL(std::string::npos, said_.front().find("geheim"));
    CPPUNIT_ASSERT_EQUAL(0, ::unlink(path().c_str()));
    CPPUNIT_ASSERT(!works("two") && !files.keys_readable(path()));
  }
  void inspected_before_use() {
    CPPUNIT_ASSERT(!Files::inspect_keys(path()).readable);
    write(line("one", "alice::inject::"), 0644);
    auto verdict = Files::inspect_keys(path());
    CPPUNIT_ASSERT(verdict.readable && verdict.bad.empty());
    CPPUNIT_ASSERT(verdict.warning.find("can be read") != std::string::npos);
    write("x\n", 0640);
    CPPUNIT_ASSERT_EQUAL(0, ::chmod(path().c_str(), 0642));
    verdict = Files::inspect_keys(path());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, verdict.bad.size());
    CPPUNIT_ASSERT(verdict.warning.find("can be written") != std::string::npos);
    write(line("one", "alice::inject::"), 0640);
    CPPUNIT_ASSERT(Files::inspect_keys(path()).warning.empty());
  }
  void named_by_an_option() {
    CPPUNIT_ASSERT(read_key_parameters({})->path.empty());
    const auto source = read_key_parameters({{"URI", "keys:///etc/keys"}, {"log_authentication", "off"}});
    CPPUNIT_ASSERT(source && source->path == "/etc/keys" && !source->log);
    CPPUNIT_ASSERT(!read_key_parameters({{"uri", "file:///etc/keys"}}));
    CPPUNIT_ASSERT(!read_key_parameters({{"uri", "keys://etc/keys"}}));
    CPPUNIT_ASSERT(!read_key_parameters({{"log_authentication", "true"}}));
    CPPUNIT_ASSERT(!read_key_parameters({{"uri", "keys:///k"}, {"realm", "x"}}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(KeysInUseTest);

}  // namespace
