r"""Answers that must be worked out before they can be compared: sums, products, limits, derivatives, integrals, solution
sets, and forms that only an identity joins. Written before the code; the form is that of the second table.

The gold decides what is asked: an equation that is left unsolved is no answer where the gold is its solutions.
"""

from collections.abc import Iterator

from tests.rewards.cases_second import parse

TABLE = r"""
# sums
\sum_{k=1}^{10} k ~~ 55
55 ~~ \sum_{k=1}^{10} k
\sum_{k=1}^{n} k ~~ \frac{n(n+1)}{2}
\sum_{k=1}^{n} k^2 ~~ \frac{n(n+1)(2n+1)}{6}
\sum_{k=1}^{n} k^2 !~ \frac{n(n+1)}{6}
\sum_{i=0}^{n} 2^i ~~ 2^{n+1}-1
\sum_{i=0}^{n} 2^i !~ 2^{n}-1
\sum_{k=0}^{\infty} \frac{1}{2^k} ~~ 2
\sum_{k=1}^{\infty} \frac{1}{2^k} !~ 2
\sum_{k=1}^\infty \frac{1}{k^2} ~~ \frac{\pi^2}{6}
\sum_{k=1}^\infty \frac{1}{k^2} !~ \frac{\pi^2}{8}
\sum_{k=1}^\infty \frac{1}{k} !~ 5
\sum_{j=1}^{n} j ~~ \sum_{k=1}^{n} k
\sum_{j=1}^{n} j !~ \sum_{k=1}^{n} k^2
\sum_{k=1}^{5} (2k-1) ~~ 25
\sum_{k=1}^{5} 2k-1 !~ 25
\sum_{k=0}^{n} \binom{n}{k} ~~ 2^n
\sum_{k=1}^{100} \frac{1}{k(k+1)} ~~ \frac{100}{101}
\sum_{k=1}^{3} \frac{1}{k!} ~~ \frac{5}{3}
\sum_{k=3}^{1} k !~ 5
# products
\prod_{k=1}^{5} k ~~ 120
\prod_{k=1}^{5} k !~ 121
\prod_{k=2}^{n} \frac{k-1}{k} ~~ \frac{1}{n}
\prod_{k=1}^{n} k ~~ n!
\prod_{k=1}^{n} 2 ~~ 2^n
\prod_{k=1}^{4} (k+1) !~ 24
\prod_{k=1}^{3} x^k ~~ x^6
# limits
\lim_{x\to 0} \frac{\sin x}{x} ~~ 1
\lim_{x\to 0} \frac{\sin x}{x} !~ 0
\lim_{n\to\infty} \left(1+\frac1n\right)^n ~~ e
\lim_{n\to\infty} \left(1+\frac2n\right)^n !~ e
\lim_{x\to 2} \frac{x^2-4}{x-2} ~~ 4
\lim_{x \rightarrow \infty} \frac{2x+1}{x-3} ~~ 2
\lim_{x \to \infty} x ~~ \infty
\lim_{x \to \infty} x !~ -\infty
\lim_{x \to 0^+} \frac1x ~~ \infty
\lim_{x \to 0^-} \frac1x ~~ -\infty
\lim_{x \to 0} \frac1x !~ 0
\lim_{h\to 0} \frac{(x+h)^2-x^2}{h} ~~ 2x
# derivatives
\frac{d}{dx} x^3 ~~ 3x^2
\frac{d}{dx} x^3 !~ x^2
\frac{d}{dx}\left(x\sin x\right) ~~ \sin x+x\cos x
\frac{d}{dx} \sin(x^2) ~~ 2x\cos(x^2)
\frac{d^2}{dx^2} x^4 ~~ 12x^2
\frac{d}{dt} e^{2t} ~~ 2e^{2t}
\frac{\partial}{\partial x} (x^2y) ~~ 2xy
\frac{\partial}{\partial y} (x^2y) !~ 2xy
\frac{d}{dx} \ln x ~~ \frac1x
# integrals
\int_0^1 x^2\,dx ~~ \frac13
\int_0^1 x^2\,dx !~ \frac12
\int_0^1 x^2 dx ~~ \frac{1}{3}
\int_{0}^{\pi} \sin x \, dx ~~ 2
\int_{0}^{\pi} \sin x \, dx !~ 0
\int_1^e \frac{1}{x}\,dx ~~ 1
\int_1^e \frac{dx}{x} ~~ 1
\int_0^\infty e^{-x}\,dx ~~ 1
\int_{-\infty}^{\infty} e^{-x^2} dx ~~ \sqrt{\pi}
\int_0^t 2x\,dx ~~ t^2
\int_0^1 \frac{4}{1+x^2}\,dx ~~ \pi
\int_0^1 \frac{4}{1+x^2}\,dx !~ 3.14
\int_0^1 \int_0^1 xy \,dx\,dy ~~ \frac14
\int_0^1 2u\,du ~~ \int_0^1 2x\,dx
\int_0^1 \frac1x\,dx !~ 5
\int 2x\,dx !~ x^2+1
# solved equations
x=\pm 2 ~~ x^2=4
\{-2,2\} ~~ x^2=4
2,-2 ~~ x^2=4
x=2\text{ or }x=-2 ~~ x^2=4
2 !~ x^2=4
x=2 !~ x^2=4
\{-2,2,3\} !~ x^2=4
x=\pm 3 !~ x^2=4
x^2=4 !~ x=\pm 2
x^2=4 !~ \{-2,2\}
x^2-4=0 ~~ x^2=4
x=5 ~~ x+1=6
5 ~~ 2x=10
6 !~ x+1=6
x+1=6 !~ 5
x=1,2 ~~ x^2-3x+2=0
x=1,2 !~ x^2+3x+2=0
\frac{1\pm\sqrt5}{2} ~~ x^2-x-1=0
x=\frac{1+\sqrt5}{2} !~ x^2-x-1=0
\{-1,0,1\} ~~ x^3=x
\{-1,1\} !~ x^3=x
\{0, 1\} ~~ t^2=t
t=0,1 ~~ t^2=t
x=0,1 !~ t^2=t
x=\pm i ~~ x^2=-1
\emptyset !~ x^2=-1
y=5 !~ x=5
3 ~~ 2^x=8
x=\ln 5 ~~ e^x=5
x=\ln 6 !~ e^x=5
y=2x !~ x=2
x=\frac{y}{2} ~~ y=2x
# solved inequalities
(-2,2) ~~ x^2<4
-2<x<2 ~~ x^2<4
[-2,2] !~ x^2<4
x<2 !~ x^2<4
(-\infty,-2)\cup(2,\infty) ~~ x^2>4
[1,2] ~~ x^2-3x+2\le 0
(1,2) !~ x^2-3x+2\le 0
x^2<4 !~ (-2,2)
# identities
\cos\frac{\pi}{7}-\cos\frac{2\pi}{7}+\cos\frac{3\pi}{7} ~~ \frac12
\cos\frac{\pi}{7}-\cos\frac{2\pi}{7} !~ \frac12
\sqrt[3]{2+\sqrt5}+\sqrt[3]{2-\sqrt5} !~ 2
\sqrt[3]{\sqrt5+2}-\sqrt[3]{\sqrt5-2} ~~ 1
\frac{n!}{(n-2)!} ~~ n(n-1)
\frac{n!}{(n-2)!} !~ n(n-2)
\binom{n}{2} ~~ \frac{n(n-1)}{2}
\binom{n}{2} !~ \frac{n(n+1)}{2}
\frac{(2n)!}{n!\,n!} ~~ \binom{2n}{n}
\arctan 1+\arctan 2+\arctan 3 ~~ \pi
\sin^4 x-\cos^4 x ~~ -\cos 2x
\tan^2 x + 1 ~~ \sec^2 x
\tan^2 x - 1 !~ \sec^2 x
\log_2 x ~~ \frac{\ln x}{\ln 2}
\frac{1}{\sqrt{n+1}+\sqrt{n}} ~~ \sqrt{n+1}-\sqrt{n}
(-1)^{n+1} ~~ -(-1)^n
(-1)^{n+1} !~ (-1)^n
\cos(n\pi) !~ 1
# hostile
\sum_{k=1}^{10^{30}} k^{10^{9}} !~ 5
\prod_{k=1}^{10^{30}} k !~ 5
\sum_{k=1}^{9^{9^{9^9}}} k !~ 5
\sum_{a=1}^{9}\sum_{b=1}^{99}\sum_{c=1}^{999}\sum_{d=1}^{9999} \frac{1}{a^b+c^d} !~ 5
\int_0^1 x^{x^{x^{x^{x^x}}}}\,dx !~ 5
\int_0^1 e^{\sin(\cos(\tan(x^{77})))}\,dx !~ 5
\lim_{x\to 0} \frac{\sin(\tan x)-\tan(\sin x)}{x^{77}} !~ 5
x^{1000000}=1 !~ 5
\frac{d^{1000000}}{dx^{1000000}} x^{1000001} !~ 5
x !~ x^2=x
x^2=4 !~ x^2=5
\text{all } x !~ x^2=4
x^2=4 !~ 0=0
1 !~ \lim_{x\to 0} \frac1x
5 !~ x^{99}+x+1=0
\prod_{k=1}^{1000000} (x+k) !~ x
\sum_{k=1}^{\infty} (-1)^k !~ -\frac12
\sum_{k=1}^{\infty} k !~ -\frac1{12}
# sums, a second time
\sum\limits_{n=1}^{\infty}\frac{1}{n(n+1)} ~~ 1
\displaystyle\sum_{n=0}^{\infty}\frac{(-1)^n}{2n+1} ~~ \frac{\pi}{4}
\sum_{n=0}^{\infty}\frac{1}{n!} ~~ e
\sum_{n=0}^{\infty}\frac{x^n}{n!} ~~ e^x
\sum_{n=0}^{\infty} x^n ~~ \frac{1}{1-x}
\sum_{n=0}^{\infty} x^n !~ \frac{1}{1+x}
2\sum_{k=1}^{n} k ~~ n^2+n
\sum_{k=1}^{n} (2k-1) ~~ n^2
\sum_{k=1}^{n} 1 ~~ n
\sum_{k=1}^{2024} k ~~ 2049300
\sum_{k=1}^{2024} k !~ 2049301
\sum_{k=1}^{2024} \frac{1}{k(k+1)} ~~ \frac{2024}{2025}
\sum_{k=1}^{n} k^3 ~~ \left(\frac{n(n+1)}{2}\right)^2
\sum_{k=1}^{n} k^3 !~ \frac{n(n+1)}{2}
\sum_{k=0}^{n}\binom{n}{k}^2 ~~ \binom{2n}{n}
\sum_{k=1}^{n} \frac1k ~~ \sum_{j=1}^{n} \frac1j
\sum_{k=1}^{n} \frac1k !~ \ln n
\sum_{k=1}^{\infty} \frac1k !~ 100
\frac{1}{2}\sum_{i=1}^{4} i^2 ~~ 15
\sum_{i=1}^{3}\sum_{j=1}^{3} ij ~~ 36
\sum_{i=1}^{3}\sum_{j=1}^{i} 1 ~~ 6
∑_{k=1}^{4} k ~~ 10
\prod_{p=2}^{\infty}\left(1-\frac{1}{p^2}\right) ~~ \frac12
\prod_{k=1}^{10} \frac{k+1}{k} ~~ 11
\prod_{k=1}^{2024} \frac{k+1}{k} ~~ 2025
# calculus, a second time
\int_{0}^{1}\ln x\,dx ~~ -1
\int_0^{\frac{\pi}{2}}\cos\theta\,d\theta ~~ 1
\int_0^{2\pi}\frac{dx}{2+\cos x} ~~ \frac{2\pi}{\sqrt3}
\int_0^{2\pi}\frac{1}{2+\cos x}\,dx !~ 0
\int_{-1}^{1}\sqrt{1-x^2}\,dx ~~ \frac{\pi}{2}
\int_{-1}^{1}\frac{1}{x}\,dx !~ 0
\int_{-1}^{1}\frac{1}{x^2}\,dx !~ -2
\int_0^2 |x-1|\,dx ~~ 1
\pi\int_0^1 x^4\,dx ~~ \frac{\pi}{5}
\int_0^1 (x^2+1)\,dx ~~ \frac43
\int_0^1 x^2+1\,dx ~~ \frac43
\int_0^1 x\,\mathrm{d}x ~~ \frac12
\int_a^b x\,dx ~~ \frac{b^2-a^2}{2}
\int_a^b x\,dx !~ \frac{a^2-b^2}{2}
\int_0^x \cos t\,dt ~~ \sin x
\int_0^x \cos t\,dt !~ \sin t
1+\int_0^1 e^x\,dx ~~ e
\frac{d}{dx}\int_0^x e^{t}\,dt ~~ e^x
\frac{d}{dx}\left[\frac{x}{x+1}\right] ~~ \frac{1}{(x+1)^2}
\frac{d}{dx} |x| !~ 1
\lim_{x\to\infty}\left(\sqrt{x^2+x}-x\right) ~~ \frac12
\lim_{x\to0}\frac{|x|}{x} !~ 1
\lim_{x\to0^{+}}\frac{|x|}{x} ~~ 1
\lim_{x\to0^{-}}\frac{|x|}{x} ~~ -1
\lim_{n\to\infty}\frac{n!}{n^n} ~~ 0
\lim_{x\to0}\sin\frac1x !~ 0
\lim\limits_{x\to 1}\frac{x^3-1}{x-1} ~~ 3
# equations, a second time
-2 \text{ and } 2 ~~ x^2 = 4
x_1=2, x_2=-2 ~~ x^2=4
x\in\{-2,2\} ~~ x^2=4
\pm2 ~~ 4=x^2
x=\frac{-1\pm\sqrt{13}}{2} ~~ x^2+x-3=0
x=\frac{1\pm\sqrt{13}}{2} !~ x^2+x-3=0
3 ~~ \sqrt{x+1}=x-1
0,3 !~ \sqrt{x+1}=x-1
x=1, 5 ~~ |x-3|=2
2 !~ \frac{x^2-4}{x-2}\cdot\frac{1}{x+2}=x-1
-3 ~~ \frac{x^2-9}{x-3}=0
3,-3 !~ \frac{x^2-9}{x-3}=0
\frac{\pi}{6} !~ \sin x=\frac12
x=1 ~~ x^3=1
x=1 !~ z^3=1
z=1 !~ z^3=1
0 !~ x=x+1
\{1,2\} !~ (x-1)(x-2)(x-3)=0
\{1,2,3\} ~~ (x-1)(x-2)(x-3)=0
x \neq 3 ~~ x-3\neq 0
x\le -1 \text{ or } x\ge 4 ~~ x^2-3x-4\ge0
(-\infty,-1]\cup[4,\infty) ~~ x^2-3x-4\ge0
[-1,4] !~ x^2-3x-4\ge0
(1,3] ~~ \frac{x-3}{x-1}\le0
[1,3] !~ \frac{x-3}{x-1}\le0
\text{no real solution} ~~ x^2<-1
# hostile, a second time
\sum_{k=1}^{n}\sum_{j=1}^{n}\sum_{i=1}^{n}\sum_{h=1}^{n} hijk !~ 5
\int_0^1\int_0^1\int_0^1\int_0^1 xyzw\,dx\,dy\,dz\,dw !~ 5
\int_0^1 5 !~ 5
\int_{#1}^{2} x dx !~ 5
\sum_{k=1}^{k} k !~ 5
\sum_{x=1}^{x} x^x !~ 5
\lim_{x\to x} x !~ 5
\frac{d}{d5} 5 !~ 5
\frac{d^{0}}{dx^{0}} 5x !~ 5
\int_{\int_0^1 x dx}^{\int_0^1 x dx} x dx !~ 5
\sum_{k=1}^{3.5} k !~ 6
\sum_{k=1}^{\infty} 0.5^{k^{k}} !~ 5
\prod_{k=1}^{\infty} k !~ 5
\sum_{k=1}^{\infty} 2^k !~ -2
\sum_{k=0}^{\infty} (-2)^k !~ \frac13
\sum_{k=1}^{\infty} (-1)^k k !~ -\frac14
\sum_{k=1}^{\infty} \sin k !~ \frac12\cot\frac12
\sum_{k=-\infty}^{\infty} k !~ 0
\int_{-\infty}^{\infty} x\,dx !~ 0
x^8-x^7+x^6-x^5+3=0 !~ 5
(x-1)^{40}=0 !~ 5
\frac{1}{x}=0 !~ 0
0 !~ \frac{1}{x}=0
1 !~ x^{40}=1
5 !~ x^x=27
"""


def cases() -> Iterator[tuple[str, str, str, bool]]:
    """(kind, response, gold, whether they are equal)"""
    return parse(TABLE)
