// A directory of the test's own, removed at its end; and files read whole.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/impulse-telemetry-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Lines without their '\n'; what is behind the last '\n' comes as a line too.
inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t start = 0;
  while (start < text.size()) {
    size_t end = text.find('\n', start);
    if (end == std::string::npos) end = text.size();
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

// A log in a directory of its own.
template <typename Log>
class Scratch {
 public:
  // `more`: what Log::open() wants beside the path.
  template <typename... More>
  explicit Scratch(More... more) : log_(std::move(Log::open(dir_ / "log", more...).value())) {}
  Log& log() { return *log_; }
  const TempDir& dir() const { return dir_; }
  // All that stands in it.
  std::string text() {
    log_->flush();
    return slurp(dir_ / "log");
  }
  // What has come since this was last asked.
  std::string news() {
    std::string all = text();
    return all.substr(std::exchange(seen_, all.size()));
  }

 private:
  TempDir dir_;
  std::unique_ptr<Log> log_;
  size_t seen_ = 0;
};
