// Files as memory, and images taken from here and there in them.
#include <cerrno>
#include <cstring>
#include <vector>

#include "arrays.hpp"
#include "stemfast/parallel.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace stemfast::bindings {
namespace {

// NumPy's memmap keeps a file descriptor for as long as the mapping lives, and a process may have
// about a thousand; a mapping as such needs none, so a set may have tens of thousands of shards.
py::object map_file(const py::bytes& name) {
#if defined(__unix__) || defined(__APPLE__)
  const std::string path = name;
  const auto fail = [&path] {
    errno = errno == 0 ? EIO : errno;
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, path.c_str());
    throw py::error_already_set();
  };
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail();
  struct stat status{};
  void* start = MAP_FAILED;
  if (::fstat(file, &status) == 0) {
    if (status.st_size == 0) {
      ::close(file);
      throw ArgumentError(path + " is empty");
    }
    start = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, file, 0);
  }
  const int error = errno;
  ::close(file);
  errno = error;
  if (start == MAP_FAILED) fail();
  struct Mapping {
    void* start;
    std::size_t size;
  };
  auto* mapping = new Mapping{start, static_cast<std::size_t>(status.st_size)};
  const py::capsule owner(mapping, [](void* p) {
    const auto* m = static_cast<Mapping*>(p);
    ::munmap(m->start, m->size);
    delete m;
  });
  py::array_t<std::uint8_t> bytes(static_cast<py::ssize_t>(mapping->size),
                                  static_cast<const std::uint8_t*>(start), owner);
  bytes.attr("flags").attr("writeable") = false;
  return bytes;
#else
  return py::module_::import("numpy").attr("memmap")(name, py::arg("mode") = "r");
#endif
}

// out[i] = stacks[which[i]][rows[i]]
void gather(const py::list& stacks, const Array<std::int64_t>& which, const Array<std::int64_t>& rows,
            py::array out, int n_threads) {
  require((out.flags() & py::array::c_style) != 0, "out is not C-contiguous");
  require(out.writeable(), "out is read-only");
  require(out.ndim() >= 1, "out has no axis, expected one for the images");
  const std::int64_t n = out.shape(0);
  require_shape(which, {n}, "which");
  require_shape(rows, {n}, "rows");
  std::int64_t bytes = out.itemsize();
  for (py::ssize_t d = 1; d < out.ndim(); ++d) bytes *= out.shape(d);

  struct Stack {
    const char* start;
    std::int64_t length;
  };
  std::vector<Stack> sources;
  sources.reserve(stacks.size());
  for (const py::handle item : stacks) {
    require(py::isinstance<py::array>(item), "stacks holds something that is no array");
    const auto stack = py::reinterpret_borrow<py::array>(item);
    bool same = stack.ndim() == out.ndim() && stack.dtype().equal(out.dtype());
    for (py::ssize_t d = 1; same && d < out.ndim(); ++d) same = stack.shape(d) == out.shape(d);
    if (!same || (stack.flags() & py::array::c_style) == 0) {
      throw ArgumentError("stacks holds an array of shape " + shape_text(stack) + " and dtype " +
                          py::str(stack.dtype()).cast<std::string>() +
                          ", expected C-contiguous ones like out, " + shape_text(out) + " and " +
                          py::str(out.dtype()).cast<std::string>());
    }
    sources.push_back({static_cast<const char*>(stack.data()), stack.shape(0)});
  }

  std::vector<const char*> from(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t w = which.data()[i], r = rows.data()[i];
    if (w < 0 || w >= static_cast<std::int64_t>(sources.size()) || r < 0 ||
        r >= sources[static_cast<std::size_t>(w)].length) {
      throw ArgumentError("which, rows ask for row " + std::to_string(r) + " of stack " + std::to_string(w) +
                          ", which is not there");
    }
    from[static_cast<std::size_t>(i)] = sources[static_cast<std::size_t>(w)].start + r * bytes;
  }

  // One thread copies some gigabytes a second; others are worth waking, and waiting for on a busy machine,
  // for 8 MB each.
  const auto worth = static_cast<int>(std::clamp<std::int64_t>(n * bytes >> 23, 1, 1 << 16));
  const int threads = std::min(resolve_threads(n_threads), worth);
  const std::int64_t chunk =
      std::max<std::int64_t>(1, (std::int64_t{1} << 16) / std::max<std::int64_t>(bytes, 1));
  char* to = static_cast<char*>(out.mutable_data());
  const py::gil_scoped_release no_gil;
  parallel_for(n, chunk, threads, nullptr, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::memcpy(to + i * bytes, from[static_cast<std::size_t>(i)], static_cast<std::size_t>(bytes));
    }
  });
}

}  // namespace

void bind_gather(py::module_& m) {
  m.def("map_file", &map_file, py::arg("name"), "A file's bytes, memory-mapped read-only.");
  m.def("gather", &gather, py::kw_only(), py::arg("stacks"), py::arg("which"), py::arg("rows"),
        py::arg("out"), py::arg("n_threads"),
        "out[i] = stacks[which[i]][rows[i]] for all i, without the GIL.");
}

}  // namespace stemfast::bindings
