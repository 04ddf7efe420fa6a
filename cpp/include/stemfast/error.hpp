// Errors a caller can act on; the bindings turn them into Python's own.
#pragma once

#include <stdexcept>
#include <string>

namespace stemfast {

// A wrong argument: becomes ValueError.
struct ArgumentError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// The caller asked to stop (Ctrl-C): the pending Python exception is raised.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

// The message is put together whether or not it is needed: in a loop over data, test and throw instead.
inline void require(bool holds, const std::string& message) {
  if (!holds) throw ArgumentError(message);
}

}  // namespace stemfast
