"""The scan: which grid of points, how fast, and how the beam strays from it."""

from __future__ import annotations

from stemfast.microscope.settings import Finite, LengthNm, NotNegative, Pixels, Positive, Settings


class Instability(Settings):
    """Scan distortion: the beam's deviation from its grid.

    The beam stands at grid + drift + row jitter + mains ripple + fly-back lag, and thickness is
    taken there; the image is not warped afterwards.

    Parameters
    ----------
    drift_nm_s : (float, float)
        Velocity of the beam over the specimen along x and y, at the start [nm/s].
    drift_decay_s : float or None
        Time in which the drift velocity falls to 1/e [s]; None for a steady drift.
    row_jitter_pm : float
        Each row is shifted by a normal number of this rms, in x and in y [pm].
    mains_pm : (float, float)
        Amplitude of the ripple along x and y [pm].
    mains_hz : float
        Frequency of the ripple [1/s].
    mains_phase_rad : float
        Its phase at the start of the first frame: the ripple is a sine [rad].
    flyback_lag_nm : float
        How far the beam is behind at the start of a row [nm].
    flyback_lag_us : float
        Time in which that falls to 1/e [us].

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    Examples
    --------
    >>> Instability(drift_nm_s=(1.0, -0.5), row_jitter_pm=30).mains_hz
    50.0
    """

    drift_nm_s: tuple[Finite, Finite] = (0.0, 0.0)
    drift_decay_s: Positive | None = None
    row_jitter_pm: NotNegative = 0.0
    mains_pm: tuple[Finite, Finite] = (0.0, 0.0)
    mains_hz: Positive = 50.0
    mains_phase_rad: Finite = 0.0
    flyback_lag_nm: NotNegative = 0.0
    flyback_lag_us: Positive = 20.0

    @property
    def moves(self) -> bool:
        """True if the beam ever leaves its grid."""
        return any((*self.drift_nm_s, self.row_jitter_pm, *self.mains_pm, self.flyback_lag_nm))


class Scan(Settings):
    """The raster: pixels, their size and their timing.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns [px].
    pixel_size_nm : float
        Distance between neighbouring pixels, the same in x and y, 1e-6 to 1e9 [nm].
    dwell_us : float
        Time the beam rests on each pixel [us].
    flyback_us : float
        Time between the end of a row and the start of the next [us].
    instability : Instability
        How the beam strays from the raster.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    Examples
    --------
    >>> scan = Scan(shape=(64, 128), pixel_size_nm=0.5)
    >>> scan.field_nm
    (32.0, 64.0)
    """

    shape: tuple[Pixels, Pixels] = (128, 128)
    pixel_size_nm: LengthNm = 0.35
    dwell_us: Positive = 4.0
    flyback_us: NotNegative = 60.0
    instability: Instability = Instability()

    @property
    def field_nm(self) -> tuple[float, float]:
        """Height and width of the scanned field [nm]."""
        return self.shape[0] * self.pixel_size_nm, self.shape[1] * self.pixel_size_nm

    @property
    def row_us(self) -> float:
        """Time from the start of one row to the start of the next [us]."""
        return self.shape[1] * self.dwell_us + self.flyback_us

    @property
    def frame_us(self) -> float:
        """Time from the first pixel's start to the last pixel's end [us]."""
        return self.shape[0] * self.row_us - self.flyback_us
