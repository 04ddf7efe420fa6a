// Names the namespace that a copy of the stages lives in. The build sets STEMFAST_ISA to one name per
// instruction set; code that is only ever compiled once (the bindings) gets the default.
#pragma once

#if !defined(STEMFAST_ISA)
#define STEMFAST_ISA isa_plain
#endif

// A small function of an inner loop, which is vector code only where the call is gone; left to itself the
// compiler stops putting calls away in a large file.
#if defined(__GNUC__)
#define STEMFAST_INLINE [[gnu::always_inline]] inline
#else
#define STEMFAST_INLINE inline
#endif
