"""Panel: KL of two Gaussians by closed form, integral and sampling; one Gaussian fitted to two peaks."""

import streamlit as st

from engine import measures
from engine.measures import Gaussian, Mixture
from engine.measures.gaussian import forward_kl, reverse_kl
from ui import layout
from ui.figures.lab import gaussian
from ui.lab import live_controls, panel, simulations
from ui.lab.live_controls import Slider

_PAIR = (
    Slider("m1", "Mean of P", -4, 4, 0, 0.05),
    Slider("s1", "Standard deviation of P", 0.2, 3, 1, 0.05),
    Slider("m2", "Mean of Q", -4, 4, 1, 0.05),
    Slider("s2", "Standard deviation of Q", 0.2, 3, 2, 0.05),
    Slider("draws", "Samples for Monte Carlo", 10, 20_000, 1_000, 10),
)
_PEAKS = (
    Slider("gap", "Distance between the peaks", 0, 10, 6, 0.1),
    Slider("share", "Share of the right peak", 0.05, 0.95, 0.4, 0.01),
    Slider("width", "Width of the right peak", 0.2, 2, 0.8, 0.05),
)
_SEED = 0


def show() -> None:
    """Draw the panel."""
    panel.heading(
        "Two Gaussians",
        "The same divergence where P and Q are curves: a closed form, checked by an integral and by sampling.",
        "make Q much narrower than P, then much wider, and see which direction explodes and what sampling makes of it.",
    )
    _pair()
    _uses()
    panel.heading(
        "One Gaussian for two peaks",
        "The direction of KL decides what an approximation does when it cannot be right.",
        "pull the peaks apart: the fit under D(P‖Q) spreads over the empty middle, the one under D(Q‖P) jumps to one.",
    )
    _peaks()


@st.fragment
def _pair() -> None:
    left, right = st.columns([4, 8], gap="large")
    values = live_controls.slider_values("gauss_pair", _PAIR)
    p, q = Gaussian(values["m1"], values["s1"]), Gaussian(values["m2"], values["s2"])
    exact = measures.gaussian_kl(p, q), measures.gaussian_kl(q, p)
    draws = int(values["draws"])
    forward, backward = (measures.gaussian_kl_monte_carlo(*pair, draws, _SEED) for pair in ((p, q), (q, p)))
    integral = measures.gaussian_kl_quadrature(p, q)
    with right:
        panel.numbers(
            panel.nats("D(P‖Q), closed form", exact[0]),
            panel.nats("D(Q‖P), closed form", exact[1]),
            ("D(P‖Q), integral", f"{integral.value:.4f}", f"off by {abs(integral.value - exact[0]):.0e} nats"),
            ("D(P‖Q), sampled", f"{forward.value:.4f}", f"± {forward.error:.4f} (standard error)"),
        )
        theme = layout.theme()
        alt = "Densities of P and Q with the integrand of the divergence shaded."
        panel.chart(gaussian.densities(p, q, theme=theme), "gauss_densities", alt)
        alt = "Sampled divergences with error bars against the closed forms."
        panel.chart(gaussian.three_ways(exact, (forward, backward), theme=theme), "gauss_three", alt)
    with left:
        live_controls.mount_sliders("gauss_pair", _PAIR, values)
        st.latex(r"\ln\frac{\sigma_2}{\sigma_1}+\frac{\sigma_1^2+(\mu_1-\mu_2)^2}{2\sigma_2^2}-\frac12")
        prior = measures.gaussian_kl_to_standard([p.mean], [p.std])
        panel.numbers(panel.nats("P against N(0, 1), as in a VAE", prior))


def _uses() -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.latex(r"\text{VAE:}\quad \tfrac12\sum_i\left(\sigma_i^2+\mu_i^2-1-\ln\sigma_i^2\right)")
        panel.note("Each latent code is a Gaussian; this term of the loss keeps it close to the prior N(0, 1).")
    with right:
        st.latex(r"\text{RLHF:}\quad \mathbb E_{x\sim P_\theta}[R(x)]-\beta\,D(P_\theta\Vert P_{\text{ref}})")
        panel.note("Reward pulls the model away from its reference; β prices each nat of the distance.")


@st.fragment
def _peaks() -> None:
    left, right = st.columns([4, 8], gap="large")
    values = live_controls.slider_values("gauss_peaks", _PEAKS)
    half = values["gap"] / 2
    peaks = Gaussian(-half, 0.8), Gaussian(half, values["width"])
    target = Mixture((1 - values["share"], values["share"]), peaks)
    covering, seeking = simulations.fits(target)
    with right:
        panel.numbers(
            panel.nats("D(P‖Q) of the covering fit", forward_kl(target, covering)),
            panel.nats("D(P‖Q) of the seeking fit", forward_kl(target, seeking)),
            panel.nats("D(Q‖P) of the covering fit", reverse_kl(covering, target)),
            panel.nats("D(Q‖P) of the seeking fit", reverse_kl(seeking, target)),
        )
        alt = "A density with two peaks and the two Gaussians fitted to it."
        panel.chart(gaussian.fits(target, covering, seeking, theme=layout.theme()), "gauss_fits", alt)
    with left:
        live_controls.mount_sliders("gauss_peaks", _PEAKS, values)
        panel.note(
            "D(P‖Q) averages over P: wherever P has mass Q must have some, so Q covers. It is the direction of "
            "maximum likelihood, and so of training a language model. D(Q‖P) averages over Q: Q may ignore a peak, "
            "but not put mass where P has none. Variational inference and RLHF's penalty take that direction."
        )
