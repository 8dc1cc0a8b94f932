#include "server/privileges.h"

#include "base/text.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <thread>

#include "config.h"

#ifdef HAVE_LIBCAP
#include <sys/capability.h>
#endif

namespace impulse::server {

namespace key = config::key;

namespace {

// Both halves of the kernel's sets; of the calling thread.
struct Capabilities {
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;

  static Capabilities current() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) != 0) return {};
    const auto join = [&](auto part) { return uint64_t{data[1].*part} << 32 | data[0].*part; };
    return {join(&__user_cap_data_struct::effective), join(&__user_cap_data_struct::permitted),
            join(&__user_cap_data_struct::inheritable)};
  }
  bool apply() const {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    for (unsigned half = 0; half < 2; ++half) {
      data[half].effective = static_cast<uint32_t>(effective >> (32 * half));
      data[half].permitted = static_cast<uint32_t>(permitted >> (32 * half));
      data[half].inheritable = static_cast<uint32_t>(inheritable >> (32 * half));
    }
    return ::syscall(SYS_capset, &header, data) == 0;
  }
};

constexpr uint64_t bind_service = uint64_t{1} << CAP_NET_BIND_SERVICE;

std::string effective_name(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) return found->pw_name;
  return std::to_string(uid);
}

Result<> find_user(const std::string& name, Identity& identity, bool& group_known) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) {
    identity.uid = found->pw_uid;
    identity.gid = found->pw_gid;
    group_known = true;
    return {};
  }
  if (const auto number = parse_unsigned(name, UINT32_MAX - 1)) {
    identity.uid = static_cast<uid_t>(*number);
    return {};
  }
  if (error != 0 && error != ENOENT) return fail_errno(error, "User = " + name);
  return fail(Errc::not_found, "User = {}: there is no such user", escape_line(name, 64));
}

Result<gid_t> find_group(std::string_view option, const std::string& name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(65536);
  const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return found->gr_gid;
  if (const auto number = parse_unsigned(name, UINT32_MAX - 1)) return static_cast<gid_t>(*number);
  if (error != 0 && error != ENOENT) return fail_errno(error, std::string(option) + " = " + name);
  return fail(Errc::not_found, "{} = {}: there is no such group", option, escape_line(name, 64));
}

// What of `capabilities` should stay, out of `possible`.
Result<Capabilities> kept_capabilities(const std::string& text) {
  if (text.empty()) {
    const uint64_t kept = Capabilities::current().permitted & bind_service;
    return Capabilities{kept, kept, 0};
  }
#ifdef HAVE_LIBCAP
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> set(::cap_from_text(text.c_str()), &::cap_free);
  if (!set) return fail(Errc::invalid, "Capabilities = {}: as cap_net_bind_service+ep is expected", escape_line(text));
  const auto bits = [&](cap_flag_t flag) {
    uint64_t found = 0;
    for (cap_value_t value = 0; value < 64 && CAP_IS_SUPPORTED(value); ++value) {
      cap_flag_value_t is_set = CAP_CLEAR;
      if (::cap_get_flag(set.get(), value, flag, &is_set) == 0 && is_set == CAP_SET) found |= uint64_t{1} << value;
    }
    return found;
  };
  return Capabilities{bits(CAP_EFFECTIVE), bits(CAP_PERMITTED) | bits(CAP_EFFECTIVE), bits(CAP_INHERITABLE)};
#else
  return fail(Errc::unavailable, "Capabilities = {}: this build has no libcap", escape_line(text));
#endif
}

Result<> may_become(const Identity& identity) {
  if (!identity.wanted && !identity.capabilities.empty() && ::geteuid() == 0)
    return fail(Errc::invalid, "Capabilities = {}: a User is needed too, root is not bound by them",
                escape_line(identity.capabilities));
  if (!identity.wanted || ::geteuid() == 0) return {};
  if (identity.uid != ::geteuid())
    return fail(Errc::denied, "User = {}: only root can become another user", identity.user);
  if (identity.gid != ::getegid())
    return fail(Errc::denied, "Group = {}: only root can take on another group", identity.group);
  if (!identity.groups.empty()) return fail(Errc::denied, "Supplemental_Groups: only root can take on other groups");
  return {};
}

}  // namespace

Result<Identity> identity_of(const config::Snapshot& snapshot) {
  Identity identity;
  identity.uid = ::geteuid();
  identity.gid = ::getegid();
  const config::ScopePtr scope = snapshot.root()->child(config::ScopeKind::security, "");
  const auto value = [&](const auto& option) {
    const config::Setting* setting = scope ? scope->find(config::definition(option)) : nullptr;
    return setting == nullptr ? config::Value() : setting->value;
  };
  const auto text = [&](const auto& option) {
    const config::Value found = value(option);
    const std::string* word = std::get_if<std::string>(&found);
    return word == nullptr ? std::string() : *word;
  };
  const std::string user = text(key::user);
  const std::string group = text(key::group);
  identity.capabilities = text(key::capabilities);
  if (auto kept = kept_capabilities(identity.capabilities); !kept) return std::unexpected(kept.error());
  const config::Value further_value = value(key::supplemental_groups);
  const config::Strings* further = std::get_if<config::Strings>(&further_value);
  const bool has_further = further != nullptr && !further->empty();
  identity.user = user.empty() ? effective_name(identity.uid) : user;
  identity.group = group;
  if (user.empty() && group.empty() && !has_further) return identity;

  identity.wanted = true;
  bool group_known = user.empty();
  if (!user.empty())
    if (auto found = find_user(user, identity, group_known); !found) return std::unexpected(found.error());
  if (!group.empty()) {
    const auto found = find_group("Group", group);
    if (!found) return std::unexpected(found.error());
    identity.gid = *found;
    group_known = true;
  }
  if (!group_known)
    return fail(Errc::invalid, "User = {}: a number that no user has needs a Group too", escape_line(user, 64));
  if (has_further) {
    for (const std::string& name : *further) {
      const auto found = find_group("Supplemental_Groups", name);
      if (!found) return std::unexpected(found.error());
      identity.groups.push_back(*found);
    }
  }
  return identity;
}

// The raw calls change this thread alone; glibc's change all threads.
void look_as(const Identity& identity, const std::function<void()>& look) {
  if (!identity.wanted || ::geteuid() != 0 || identity.uid == 0) {
    look();
    return;
  }
  std::thread([&] {
    ::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data());
    ::setfsgid(identity.gid);
    ::setfsuid(identity.uid);  // takes the capabilities over files away too
    look();
  }).join();
}

Result<> Privileges::assume(const Identity& identity) {
  identity_ = identity;
  if (auto checked = may_become(identity); !checked) return checked;
  if (!identity.wanted || ::geteuid() != 0) return limit();
  if (::setgroups(identity.groups.size(), identity.groups.data()) != 0) return fail_errno(errno, "Supplemental_Groups");
  if (::setresgid(identity.gid, identity.gid, 0) != 0) return fail_errno(errno, "Group = " + identity.group);
  if (::setresuid(identity.uid, identity.uid, 0) != 0) return fail_errno(errno, "User = " + identity.user);
  assumed_ = true;
  Capabilities now = Capabilities::current();
  now.effective = now.permitted & bind_service;
  now.apply();  // where even root may not bind low ports, binding one will say so
  return {};
}

// Started by somebody else than root: threads to come get what is asked for,
// and the first one keeps low ports until release().
Result<> Privileges::limit() const {
  if (identity_.capabilities.empty()) return {};
  auto kept = kept_capabilities(identity_.capabilities);
  if (!kept) return std::unexpected(kept.error());
  const uint64_t possible = Capabilities::current().permitted;
  if ((kept->permitted & ~possible) != 0)
    return fail(Errc::denied, "Capabilities = {}: the daemon was not started with all of these",
                identity_.capabilities);
  kept->permitted |= possible & bind_service;
  kept->effective |= possible & bind_service;
  if (!kept->apply()) return fail_errno(errno, "Capabilities = " + identity_.capabilities);
  return {};
}

Result<> Privileges::as_root(const std::function<Result<>()>& work) {
  if (!assumed_) return work();
  const Capabilities before = Capabilities::current();
  if (::seteuid(0) != 0) return fail_errno(errno, "seteuid");
  ::setegid(0);
  Result<> done = work();
  if (::setegid(identity_.gid) != 0 || ::seteuid(identity_.uid) != 0) return fail_errno(errno, "seteuid");
  before.apply();
  return done;
}

Result<> Privileges::release() {
  auto kept = kept_capabilities(identity_.capabilities);
  if (!kept) return std::unexpected(kept.error());
  if (assumed_) {
    assumed_ = false;
    if (kept->permitted != 0 && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return fail_errno(errno, "PR_SET_KEEPCAPS");
    if (::setresgid(identity_.gid, identity_.gid, identity_.gid) != 0)
      return fail_errno(errno, "Group = " + identity_.group);
    if (::setresuid(identity_.uid, identity_.uid, identity_.uid) != 0)
      return fail_errno(errno, "User = " + identity_.user);
    ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // a crash may be looked into; there is nothing of root's in here
  } else if (identity_.capabilities.empty()) {
    return {};  // nothing was asked for: the daemon stays what it was started as
  }
  const uint64_t possible = Capabilities::current().permitted;
  if ((kept->permitted & ~possible) != 0)
    return fail(Errc::denied, "Capabilities = {}: the daemon was not started with all of these",
                identity_.capabilities);
  if (!kept->apply()) return fail_errno(errno, "Capabilities = " + identity_.capabilities);
  return {};
}

void Privileges::drop_capabilities_of_thread() noexcept {
  if (::geteuid() != 0) Capabilities().apply();
}

std::string Privileges::capabilities_text() {
#ifdef HAVE_LIBCAP
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> set(::cap_get_proc(), &::cap_free);
  if (!set) return {};
  const std::unique_ptr<char, int (*)(void*)> text(::cap_to_text(set.get(), nullptr), &::cap_free);
  if (!text) return {};
  const std::string found = text.get();
  return found == "=" ? std::string() : found;
#else
  const Capabilities now = Capabilities::current();
  return now.effective == 0 ? std::string() : fmt::format("effective 0x{:x}", now.effective);
#endif
}

}  // namespace impulse::server
