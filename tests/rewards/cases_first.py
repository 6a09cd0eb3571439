r"""The first table: answers and golds by kind with near misses, in the second table's form (see there)."""

from collections.abc import Iterator

TABLE = r"""
# integers
$-7$ ~~ -7
\$\$5\$\$ ~~ 5
$$5$$ ~~ 5
\[5\] ~~ 5
\text{5} ~~ 5
5.00 ~~ 5
~5~ ~~ 5
\,5 ~~ 5
\mathrm{5} ~~ 5
\boldsymbol{5} ~~ 5
{{5}} ~~ 5
((5)) ~~ 5
`5` ~~ 5
__5__ !~ 6
5。 ~~ 5
=5 ~~ 5
−5. ~~ -5
–5 ~~ -5
-5 !~ 5
--5 !~ -5
+5 ~~ 5
55 !~ 5
0 ~~ -0
0 ~~ 0.0
100000000000000000000000000000 ~~ 10^{29}
10^{29}+1 !~ 10^{29}
5 5 !~ 55
٥ !~ 6
1O !~ 10
five !~ 6
# decimals and fractions
\frac{3}{2} ~~ 1.5
\frac32 ~~ 1.5
\frac{3}2 ~~ 1.5
\dfrac32 ~~ 1.5
\frac{-3}{2} ~~ -1.5
\frac{3}{-2} ~~ -\frac32
-3/2 ~~ -1.5
(3)/(2) ~~ 1.5
3 / 2 ~~ 1.5
3\div2 ~~ 1.5
3 ÷ 2 ~~ 1.5
\frac{1,000}{3} ~~ \frac{1000}{3}
\frac{0.5}{2} ~~ 0.25
\frac{1}{2}+\frac{1}{3} ~~ \frac{5}{6}
2\cdot3+1 ~~ 7
2^3 ~~ 8
1.50 ~~ 1.5
0,5 !~ 5
\frac{22}{7} !~ \pi
3.1416 !~ \pi
2.718 !~ e
.75 ~~ \frac{3}{4}
00.75 ~~ 0.75
\frac{2}{3} !~ 0.66
\frac{2}{3} !~ 0.667
0.6666... ~~ \frac{2}{3}
0.\overline{142857} ~~ \frac{1}{7}
0.\dot{3} ~~ \frac13
0.(3) ~~ \frac{1}{3}
1.\overline{09} ~~ \frac{12}{11}
0.\overline{9} ~~ 1
3.14\ldots !~ 3.14
\frac{5}{1} ~~ 5
\frac{0}{5} ~~ 0
\frac{5}{0} !~ 0
1/3 !~ 3
-\frac{1}{3} !~ \frac{1}{3}
\frac{1}{3} !~ \frac{1}{30}
\frac{1}{10^{50}} !~ \frac{1}{10^{51}}
\frac{1}{10^{50}} !~ 0
2^{-100} !~ 2^{-101}
1-10^{-30} !~ 1
3^{100} !~ 3^{101}
3^{100} !~ 3^{100}+1
\frac{100!}{99!} ~~ 100
\frac{1}{100!} !~ \frac{1}{101!}
\frac{a}{b} ~~ a/b
\frac ab ~~ \frac{a}{b}
\frac12\cdot\frac34 ~~ \frac38
\frac{1}{2}\div\frac{1}{4} ~~ 2
\frac{\dfrac{1}{2}}{\dfrac{3}{4}} ~~ \frac23
1 \frac{2}{3} ~~ \frac{5}{3}
-2\frac{1}{3} ~~ -\frac{7}{3}
-(2+\frac13) ~~ -2\frac{1}{3}
2\tfrac{1}{4} ~~ 2.25
2-1/4 ~~ 1.75
12 3/8 ~~ 12.375
5\frac{1}{2} !~ \frac{5}{2}
1½ ~~ \frac32
2¾ ~~ 2.75
# percentages
75\% ~~ \frac{3}{4}
75\% ~~ 75
75 ~~ 75\%
0.75 ~~ 75\%
75\ \% ~~ 75\%
75\text{ percent} ~~ 75\%
75\text{%} ~~ 75\%
75\text{\%} ~~ 75\%
75 per cent !~ 76\%
\frac{200}{3}\% ~~ 66\frac{2}{3}\%
0.1\% ~~ 0.001
2.5\% ~~ 2.5\%
-20\% ~~ -0.2
20\% !~ -20\%
20\% !~ 2
7.5\% !~ 0.75
0.5\% !~ 0.5
1.5\% !~ 15\%
100\% !~ 10\%
# units and money
5\text{ meters} ~~ 5
5\text{m} ~~ 5
5 m ~~ 5
5m !~ 5
5 m ~~ 5\text{ m}
5\mathrm{~cm} ~~ 5
5\;\mathrm{cm} ~~ 5
5\ \text{cm}^{2} ~~ 5
5\text{ cm}^3 ~~ 5\text{ cm}^3
5\text{ cubic meters} ~~ 5
5\text{ sq ft} ~~ 5
5 square feet ~~ 5\text{ square feet}
25\pi\text{ cm}^2 ~~ 25\pi
25 \pi cm^2 ~~ 25\pi
6\text{ ft/s} ~~ 6
60 miles per hour ~~ 60
60\text{ mph} ~~ 60
60 km/h ~~ 60\text{ km/h}
3 hours ~~ 180\text{ minutes}
12\text{ people} ~~ 12
$5.00 ~~ 5
\$5.00 ~~ 5
\$ 5 ~~ 5
5\$ ~~ 5
5 USD ~~ 5
US\$5 !~ 6
$1,000 ~~ 1000
\$1,000,000 ~~ 1000000
-\$5 ~~ -5
\$-5 ~~ -5
$3 million ~~ 3000000
3\text{ billion} ~~ 3\times10^9
2 dozen ~~ 24
50 cents ~~ \$0.50
50 cents !~ \$50
¥100 ~~ 100
100 元 ~~ 100
72 km !~ 72 m
3\text{ kg} !~ 3\text{ g}
3\text{ kg} ~~ 3000\text{ g}
5\text{ ft} !~ 5\text{ in}
5 or so !~ 5
5 hundred !~ 5
5\text{ and }6 !~ 5
about 5 !~ 6
45^\circ ~~ 45
45^{\circ} ~~ 45^\circ
45 ^ \circ ~~ 45
45\degree ~~ 45
45° ~~ 45
45\text{ degrees} ~~ 45
45\text{°} ~~ 45
60^\circ ~~ \frac{\pi}{3}
\frac{\pi}{3} ~~ 60^\circ
45^\circ !~ 45\pi
20^\circ\text{C} ~~ 20
20 °C ~~ 20^\circ\text{C}
\angle ABC = 45^\circ ~~ 45^\circ
m\angle A = 30^\circ ~~ 30
22.5^\circ ~~ 22.5
-40^\circ !~ 40^\circ
\frac{\pi}{4}\text{ radians} ~~ \frac{\pi}{4}
# scientific and thousands
1.23\times 10^{5} ~~ 123000
1.23\cdot 10^5 ~~ 123000
1.23 * 10^5 ~~ 123000
1.23 × 10⁵ ~~ 123000
1.23e5 ~~ 123000
1.23E+5 ~~ 123000
1.23e-05 ~~ 0.0000123
-1.5\times10^{-2} ~~ -0.015
10^{-3} ~~ \frac{1}{1000}
10^-3 ~~ 0.001
1e3 ~~ 1000
6.022\times10^{23} !~ 6.022\times10^{22}
1.5\times10^3 !~ 1.5\times10^{-3}
1e3 !~ 100
3\times10^8\text{ m/s} ~~ 3\times 10^8
12,345 ~~ 12345
12{,}345 ~~ 12345
12\,345 ~~ 12345
12\ 345 ~~ 12345
12 345 ~~ 12345
1\,234\,567 ~~ 1234567
1 234 567 ~~ 1234567
1 234 ~~ 1234
1 234.5 ~~ 1234.5
12,345.67 ~~ 12345.67
1,234,567 ~~ 1{,}234{,}567
-12,345 ~~ -12345
1,234 !~ 1234567
12,34 !~ 1234
1,234 !~ 1.234
1, 234 !~ 1234
# radicals
\sqrt{50} ~~ 5\sqrt{2}
\sqrt{0.25} ~~ 0.5
\sqrt{x^2+2x+1} ~~ |x+1|
\sqrt{\frac{3}{4}} ~~ \frac{\sqrt{3}}{2}
\frac{\sqrt{3}}2 ~~ \frac{\sqrt3}{2}
\frac{2}{\sqrt{2}} ~~ \sqrt{2}
\sqrt{2}\cdot\sqrt{3} ~~ \sqrt{6}
\sqrt{2}\sqrt{3} ~~ \sqrt{6}
\sqrt[3]{27} ~~ 3
\sqrt[3]{-8} ~~ -2
\sqrt[4]{16} ~~ 2
\sqrt[3]{54} ~~ 3\sqrt[3]{2}
27^{2/3} ~~ 9
2^{0.5} ~~ \sqrt{2}
2^{\frac{3}{2}} ~~ 2\sqrt{2}
∛8 ~~ 2
√(x+1) ~~ \sqrt{x+1}
2√3/3 ~~ \frac{2\sqrt{3}}{3}
2*sqrt(3) ~~ 2\sqrt{3}
(1+sqrt(5))/2 ~~ \frac{1+\sqrt{5}}{2}
\frac{1+\sqrt5}{2} ~~ \frac{\sqrt{5}+1}{2}
\frac{-1+\sqrt{5}}{2} !~ \frac{-1-\sqrt{5}}{2}
\sqrt{7+4\sqrt{3}} ~~ 2+\sqrt{3}
\sqrt{5}-\sqrt{3} ~~ \frac{2}{\sqrt{5}+\sqrt{3}}
(\sqrt{2}+\sqrt{3})^2 ~~ 5+2\sqrt{6}
\sqrt{2+\sqrt{3}} ~~ \frac{\sqrt{6}+\sqrt{2}}{2}
\sqrt{3} !~ 1.732
\sqrt{8} !~ 4
2\sqrt{2} !~ \sqrt{2}
\sqrt[3]{9} !~ 3
\sqrt{2}+\sqrt{3} !~ \sqrt{5}
\sqrt{16}+9 !~ \sqrt{25}
3\sqrt{13} !~ 13\sqrt{3}
12\sqrt{2} !~ 12\sqrt{3}
\sqrt{10} !~ \sqrt{1}0
# symbolic
a+b ~~ b+a
ab ~~ ba
a b c ~~ cba
2ab ~~ 2ba
x(x+1) ~~ x^2+x
(x+2)(x-3) ~~ x^2-x-6
x^2-x-6 ~~ (x-3)(x+2)
-(x+1) ~~ -x-1
\frac{x+1}{2} ~~ \frac{1}{2}x+\frac{1}{2}
\frac12x ~~ \frac{x}{2}
0.5x ~~ \frac{x}{2}
\frac{1}{x}+\frac{1}{y} ~~ \frac{x+y}{xy}
\frac{x^2+2x+1}{x+1} ~~ x+1
x^{2}\cdot x^{3} ~~ x^5
(x^2)^3 ~~ x^6
(2x)^3 ~~ 8x^3
x^{1/2} ~~ \sqrt{x}
\sqrt{x}\sqrt{x} ~~ x
\frac{1}{\sqrt{x}} ~~ x^{-1/2}
\frac{1}{\sqrt{x}} ~~ \frac{\sqrt{x}}{x}
2^{x+1} ~~ 2 \cdot 2^x
4^x ~~ 2^{2x}
3^{n}\cdot 3^{m} ~~ 3^{m+n}
e^{\ln x} ~~ x
\ln(ab) ~~ \ln a+\ln b
\ln(x^3) ~~ 3\ln x
\ln\frac{a}{b} ~~ \ln a-\ln b
\log_3 9 ~~ 2
\log_{2}\left(\frac{1}{8}\right) ~~ -3
\log_4 8 ~~ \frac{3}{2}
\log_2 3 ~~ \frac{\ln 3}{\ln 2}
\log 100 ~~ 2
\lg 1000 ~~ 3
\ln e ~~ 1
\ln e^2 ~~ 2
\sin^2\theta ~~ 1-\cos^2\theta
\sin(x)^2 ~~ \sin^2 x
\cos 2x ~~ \cos^2x-\sin^2x
\tan x ~~ \frac{\sin x}{\cos x}
\cot x ~~ \frac{1}{\tan x}
\csc x ~~ \frac{1}{\sin x}
\sin(a+b) ~~ \sin a\cos b+\cos a\sin b
\sin 30^\circ ~~ \frac{1}{2}
\cos\frac{\pi}{3} ~~ \frac12
\cos(\pi/3) ~~ 0.5
\sin^{-1}(1) ~~ \frac{\pi}{2}
\arcsin 1 ~~ \frac{\pi}{2}
\arctan(x) ~~ \tan^{-1}(x)
\operatorname{arctan} x ~~ \arctan x
\mathrm{arctan}(2) ~~ \arctan 2
\sinh x ~~ \frac{e^x-e^{-x}}{2}
\cos(n\pi) ~~ (-1)^n
\frac{1+(-1)^n}{2} ~~ \frac{1+\cos(\pi n)}{2}
n(n+1)/2 ~~ \frac{n^2+n}{2}
\frac{n(n+1)(2n+1)}{6} ~~ \frac{2n^3+3n^2+n}{6}
\binom{n}{2} ~~ \frac{n^2-n}{2}
\binom{10}{3} ~~ 120
{10 \choose 3} ~~ 120
C_{10}^3 !~ 121
\frac{(n+1)!}{n!} ~~ n+1
6! ~~ 720
|x-1| ~~ |1-x|
\left|x\right| ~~ |x|
\lvert x\rvert ~~ |x|
\max(1,2) ~~ 2
\gcd(12,18) ~~ 6
\lfloor\pi\rfloor ~~ 3
\left\lfloor\frac{7}{2}\right\rfloor ~~ 3
x_{n+1} ~~ x_{n+1}
a_n=2n+1 ~~ 2n+1
S_n = n^2 ~~ n^2
2^{10} ~~ 1024
2^{100} ~~ 4^{50}
2^{2^{3}} ~~ 256
(2^2)^3 ~~ 64
-2^2 ~~ -4
(-2)^2 ~~ 4
\pi ~~ π
2\pi r ~~ 2πr
\frac{4}{3}\pi r^3 ~~ \frac{4\pi r^3}{3}
\pi^2/6 ~~ \frac{\pi^2}{6}
e^{-1} ~~ \frac{1}{e}
e^2 ~~ \exp(2)
\mathrm{e}^x ~~ e^x
\lambda x ~~ x\lambda
\mathbf{x}+1 ~~ x+1
x^{10} !~ x^{11}
x^2+1 !~ (x+1)^2
2(x+1) !~ 2x+1
\frac{1}{x+1} !~ \frac{1}{x}+1
\frac{x+1}{2} !~ x+\frac12
\sqrt{x^2+1} !~ x+1
\sin^2 x !~ \sin x^2
\sin x+\cos x !~ 1
\cos 2x !~ 2\cos x
\ln(a+b) !~ \ln a+\ln b
\log_2 x !~ \log_3 x
e^x !~ x^e
2^x !~ x^2
3^{n+1} !~ 3^n
x+y !~ x-y
a+b !~ a+c
xY !~ xy
x^2y !~ xy^2
\frac{n(n+1)}{2} !~ \frac{n(n-1)}{2}
\binom{n}{2} !~ \binom{n}{3}
n! !~ (n+1)!
(-1)^n !~ (-1)^{n+1}
\tan 45^\circ !~ 0
e !~ 2.71828
\pi !~ 3.14159265
2^{2007} !~ 2^{2008}
2^{2007}+1 !~ 2^{2007}-1
\frac{1}{e} !~ e
1-\frac{1}{e} !~ \frac1e
\cos 1 !~ \cos 1^\circ
# complex
1+2i ~~ 2i+1
1+2i ~~ 1 + 2 i
i ~~ \mathrm{i}
-i ~~ \frac{1}{i}
i^3 ~~ -i
i^{2023} ~~ -i
\frac{3+i}{1-i} ~~ 1+2i
(1+2i)^2 ~~ -3+4i
\sqrt{-9} ~~ 3i
e^{i\pi/2} ~~ i
e^{\pi i/3} ~~ \frac{1}{2}+\frac{\sqrt{3}}{2}i
\cos\theta+i\sin\theta ~~ e^{i\theta}
2e^{i\pi} ~~ -2
|3+4i| ~~ 5
\pm i ~~ i,-i
\{1+i,1-i\} ~~ 1\pm i
0+5i ~~ 5i
5+0i ~~ 5
1+2i !~ 1-2i
1+2i !~ 2+i
i !~ 1
3i !~ 3
i^2 !~ 1
-1+i !~ 1-i
\frac{1+i\sqrt{3}}{2} !~ \frac{1-i\sqrt{3}}{2}
# equations
x=3 ~~ 3
3 ~~ x=3
x = 3 ~~ 3=x
x\approx 3.14 ~~ 3.14
\text{Area} = 12 ~~ 12
V = 36\pi ~~ 36\pi
f(x) = 2x+1 ~~ 2x+1
f(x)=2x+1 ~~ y=2x+1
f^{-1}(x) = \frac{x-1}{2} ~~ \frac{x-1}{2}
y = \frac{1}{2}x + 3 ~~ y = 0.5x+3
y=-2x+3 ~~ 2x+y=3
y=-2x+3 ~~ 2x+y-3=0
2x+y-3=0 ~~ 4x+2y-6=0
x^2+y^2=25 ~~ 25=x^2+y^2
(x-1)^2+(y-2)^2=9 ~~ x^2+y^2-2x-4y-4=0
\frac{x^2}{9}+\frac{y^2}{4}=1 ~~ 4x^2+9y^2=36
xy=1 ~~ y=\frac{1}{x}
x=2y ~~ y=\frac{x}{2}
2+3=5 ~~ 5
x = \frac{10}{4} = 2.5 ~~ 2.5
AB=5 ~~ AB = 5
S_{ABC}=6 ~~ 6
a=2,b=3 ~~ a=2, b=3
a=2\text{ and }b=3 ~~ (2,3)
(a,b)=(2,3) ~~ (2,3)
(2,3) ~~ a=2,b=3
x=1,y=2,z=3 ~~ (1,2,3)
\begin{cases}x=1\\y=2\end{cases} ~~ (1,2)
x\equiv 3\pmod 7 ~~ x\equiv 3\pmod{7}
3 \pmod 7 ~~ 3\pmod{7}
x=3 !~ 4
x=3 !~ y=3
x=-3 !~ 3
3x=9 !~ 9
x+2=5 !~ 5
x^2=9 !~ 9
y=2x !~ y=2x+1
y=2x+1 !~ y=-2x+1
x^2+y^2=25 !~ x^2+y^2=5
x^2+y^2=25 !~ x^2-y^2=25
a=2,b=3 !~ a=3,b=2
a=2,b=3 !~ (3,2)
a=2 !~ a=2,b=3
x=3=4 !~ 4
\sin x=\frac12 !~ \frac12
x\equiv 3\pmod 7 !~ x\equiv 4\pmod 7
# inequalities and intervals
x<3 ~~ 3>x
x \lt 3 ~~ x<3
x\le 3 ~~ x \leq 3
x≤3 ~~ x\le3
x=<3 !~ x>3
-2<x<2 ~~ 2>x>-2
-2<x\le 5 ~~ (-2,5]
(-2,5] ~~ -2<x\le5
x\in(-2,5] ~~ (-2,5]
x \in \left(-2,5\right] ~~ -2 < x \leq 5
|x|<2 !~ (-2,3)
x>1\text{ and }x<3 ~~ (1,3)
x<1\text{ or }x>3 ~~ (-\infty,1)\cup(3,\infty)
x<1, x>3 ~~ (-\infty,1)\cup(3,\infty)
x\ne 2 ~~ (-\infty,2)\cup(2,\infty)
x\neq 0 ~~ \mathbb{R}\setminus\{0\}
\mathbb{R}-\{0\} ~~ (-\infty,0)\cup(0,\infty)
\{x\mid x>2\} ~~ (2,\infty)
\{x : x>2\} ~~ (2,\infty)
\{x|1<x\le2\} ~~ (1,2]
\{x\in\mathbb{R}\mid x\ge0\} ~~ [0,\infty)
(-\infty,\infty) ~~ \text{all real numbers}
x\in\mathbb{R} ~~ \mathbb{R}
ℝ ~~ \mathbb{R}
[0,\infty) ~~ x\ge 0
[0,1)\cup[1,2] ~~ [0,2]
(1,2)\cup(3,4) ~~ (3,4)\cup(1,2)
\left(-\infty,-\frac{1}{2}\right)\cup\left(\frac12,\infty\right) ~~ x<-0.5\text{ or }x>0.5
3x+1<7 ~~ x<2
-x<2 ~~ x>-2
]1,2[ ~~ (1,2)
[1,2[ ~~ [1,2)
(-1, +∞) ~~ (-1,\infty)
(2, \infty) ~~ (2,+\infty)
[-1,1]\setminus\{0\} ~~ [-1,0)\cup(0,1]
a\le\frac{1}{4} ~~ (-\infty,\frac14]
0<a\le1 ~~ a\in(0,1]
k>\sqrt{2} ~~ (\sqrt{2},\infty)
y\geq 2x+1 ~~ y \ge 2x + 1
x<3 !~ x\le3
x<3 !~ x>3
x<3 !~ x<4
x<3 !~ y<3
x<3 !~ 3
-2<x<2 !~ -2\le x\le2
-2<x<2 !~ (-2,2]
(1,2]  !~ [1,2)
(1,3) !~ (1,2)\cup(2,3)
[1,2]\cup[3,4] !~ [1,4]
(-\infty,1)\cup(3,\infty) !~ (1,3)
(-\infty,2) !~ (-\infty,2]
[2,\infty) !~ (2,\infty)
(0,\infty) !~ (-\infty,\infty)
x<1\text{ or }x>3 !~ (1,3)
x\ne2 !~ x=2
y\ge2x+1 !~ y\le2x+1
\{x\mid x>2\} !~ [2,\infty)
[1,5] !~ 1,5
# sets and lists
\{1,2\} ~~ \{2,1\}
\{1,2\} ~~ 1, 2
1,2 ~~ 2,1
1;2 ~~ 1,2
1,2,\text{ and }3 ~~ \{1,2,3\}
1\text{ and }2 ~~ 1,2
1\text{ or }2 ~~ 2,1
-1, 1 ~~ \pm1
\pm 1 ~~ -1,1
\pm\frac{1}{2} ~~ \frac12,-\frac12
x=\pm2 ~~ x=2,x=-2
x=\pm2 ~~ \pm 2
x=2\text{ or }x=-2 ~~ \pm2
x=2\text{ or }-2 ~~ 2,-2
3\pm2\sqrt{2} ~~ 3-2\sqrt{2},3+2\sqrt{2}
\frac{-1\pm\sqrt{5}}{2} ~~ \frac{-1+\sqrt{5}}{2},\frac{-1-\sqrt{5}}{2}
\{\sqrt{4},3\} ~~ \{3,2\}
\{1,1,2\} ~~ \{1,2\}
\left\{-1,\frac{1}{2}\right\} ~~ \{0.5,-1\}
\{(1,2),(2,1)\} ~~ \{(2,1),(1,2)\}
(1,2),(2,1) ~~ \{(2,1),(1,2)\}
(1,2)\text{ and }(3,4) ~~ (3,4),(1,2)
\{1\} ~~ \{1\}
\varnothing ~~ \emptyset
\{ \} ~~ \emptyset
\text{no solution} ~~ \emptyset
\text{No solutions} ~~ \text{no solution}
\{a,b,c\} ~~ \{c,a,b\}
\{x,y\} !~ \{x,z\}
\{1,2\} !~ \{1\}
\{1\} !~ \{1,2\}
1,2 !~ 1,2,3
1,2,3 !~ 1,2
1,2,2 !~ 1,1,2
\pm1 !~ 1
1 !~ \pm1
\pm1 !~ \pm2
2,3 !~ 23
2,3 !~ 2.3
\emptyset !~ \{\emptyset,1\}
\{0\} !~ \emptyset
3 or 4 !~ 3
3\pm\sqrt2 !~ 3+\sqrt2
\{1,2,3\} !~ (1,2,3)
\{2,4\} !~ \{2,4,6\}
(1,2),(2,1) !~ (1,2),(2,2)
x=2\text{ or }x=-2 !~ 2
# tuples, vectors and matrices
(3,4) ~~ (3,4)
(3, 4) ~~ \left(3,4\right)
\left( 3, -4 \right) ~~ (3,-4)
(\frac12,\frac13) ~~ (0.5,\frac{2}{6})
(3,4) ~~ (3.0,4.00)
(a,b) ~~ (a,b)
(x+1,y) ~~ (1+x,y)
(2\sqrt{3},30^\circ) ~~ (\sqrt{12},30^\circ)
(1,2,3,4) ~~ (1, 2, 3, 4)
\langle 3,4\rangle ~~ (3,4)
\begin{pmatrix}3\\4\end{pmatrix} ~~ \begin{bmatrix}3\\4\end{bmatrix}
\begin{pmatrix}3\\4\end{pmatrix} ~~ (3,4)
\left[\begin{array}{c}3\\4\end{array}\right] ~~ \begin{pmatrix}3\\4\end{pmatrix}
\left[\begin{matrix}3\\4\end{matrix}\right] ~~ \begin{pmatrix}3\\4\end{pmatrix}
\begin{pmatrix} 1/2 & 0 \\ 0 & 1/3 \end{pmatrix} ~~ \begin{pmatrix}\frac12&0\\0&\frac13\end{pmatrix}
\begin{bmatrix}1 & 0\\0 & 1\end{bmatrix} ~~ \begin{pmatrix}1&0\\0&1\end{pmatrix}
\begin{pmatrix}1&2\\3&4\\\end{pmatrix} ~~ \begin{pmatrix}1&2\\3&4\end{pmatrix}
\frac{1}{2}\begin{pmatrix}2&4\\6&8\end{pmatrix} ~~ \begin{pmatrix}1&2\\3&4\end{pmatrix}
\begin{pmatrix}1\\2\end{pmatrix} ~~ \begin{pmatrix}1&2\end{pmatrix}^T
\begin{pmatrix}x+x\\y\end{pmatrix} ~~ \begin{pmatrix}2x\\y\end{pmatrix}
\det\begin{pmatrix}1&2\\3&4\end{pmatrix} !~ 2
\begin{vmatrix}1&2\\3&4\end{vmatrix} ~~ -2
(3,4) !~ (4,3)
(3,4) !~ (3,-4)
(3,4) !~ (3,4,0)
(3,4) !~ [3,4]
(3,4) !~ 3
(3,4) !~ 7
(3,4) !~ 34
\begin{pmatrix}3\\4\end{pmatrix} !~ \begin{pmatrix}4\\3\end{pmatrix}
\begin{pmatrix}3&4\end{pmatrix} !~ \begin{pmatrix}3\\4\end{pmatrix}
\begin{pmatrix}1&0\\0&1\end{pmatrix} !~ 1
\begin{pmatrix}1&0\\0&1\end{pmatrix} !~ \begin{pmatrix}1&0\\0&-1\end{pmatrix}
# bases
1101_2 ~~ 1101_{2}
1101_{(2)} !~ 1111_2
(1101)_2 ~~ 1101_2
\text{1101}_2 ~~ 1101_2
1101_{\text{two}} ~~ 1101_2
FF_{16} ~~ 255
2A_{16} ~~ 2A_{16}
13 ~~ 1101_2
1101_2 !~ 1100_2
1101_2 !~ 1101_3
1101_2 !~ 1101
12_3 !~ 12_4
# choices
(D) ~~ D
D) ~~ D
D. ~~ D
D: 5 ~~ D
D. 5 cm ~~ D
\text{D} ~~ D
\textbf{D} ~~ D
\boxed{D} ~~ D
\mathbf{(D)} ~~ D
\textbf{(D)}\ 42 ~~ D
\text{Option D} ~~ D
Option (D) ~~ D
choice D ~~ D
[D] ~~ D
**D** ~~ D
d ~~ D
A,B ~~ A, B
B,A ~~ A,B
A and B ~~ A,B
ABD ~~ A,B,D
(A),(B) ~~ A,B
E !~ D
(E) !~ D
A or D !~ D
A, D !~ D
AD !~ D
(A) (D) !~ D
not D !~ D
D or E !~ D
A,B !~ A,C
A,B,C !~ A,B
A !~ A,B
# text
\text{Friday} ~~ Friday
Friday. ~~ \text{Friday}
\text{ Friday } ~~ \text{Friday}
\mathrm{Friday} ~~ Friday
FRIDAY ~~ Friday
\text{not enough information} ~~ \text{Not enough information}
\textit{odd} ~~ odd
"odd" ~~ odd
\text{yes} ~~ \text{Yes}
Yes ~~ yes
\text{right triangle} ~~ right triangle
parabola ~~ \text{parabola}
\text{True} ~~ true
undefined ~~ \text{undefined}
\text{Alice and Bob} ~~ Alice and Bob
even !~ odd
Friday !~ Monday
yes !~ no
\text{circle} !~ \text{ellipse}
true !~ false
left !~ left or right
stop !~ pots
listen !~ silent
Friday !~ 5
# unicode
⅔ ~~ \frac{2}{3}
3¼ ~~ 3.25
x²+y² ~~ x^2+y^2
x⁻¹ ~~ \frac1x
2√2 ~~ 2\sqrt{2}
π² ~~ \pi^2
5×10³ ~~ 5000
5÷2 ~~ 2.5
a·b ~~ ab
x≥2 ~~ x\ge2
x≠2 ~~ x\ne2
−½ ~~ -\frac{1}{2}
±2 ~~ 2,-2
∞ ~~ \infty
(−∞,2] ~~ (-\infty,2]
{1,2}∪{3} !~ \{1,2\}
１２３ ~~ 123
１／２ ~~ \frac12
（1，2） ~~ (1,2)
𝑥+1 ~~ x+1
90˚ ~~ 90
1 000 ~~ 1000
10 000 ~~ 10000
10 000 ~~ 10000
∅ ~~ \emptyset
α+β ~~ \alpha+\beta
Δ ~~ \Delta
5​ ~~ 5
⁵√2 !~ 2
x² !~ x2
# hostile
9^{9^9} ~~ 9^{9^9}
9^{9^{9^{9^{9}}}} !~ 9
2^{2^{2^{2^{2^{2}}}}} !~ 4
100000000!  !~ 1
(((10^{100})!)!)! !~ 1
\binom{10^{9}}{5\cdot 10^8} !~ 1
10^{1000000000} !~ 10
\sqrt[10^{9}]{2} !~ 1
1e999999 !~ 1
\frac{1}{1e-999999} !~ 0
x^{10^{9}} !~ x
(x+1)^{1000000} !~ x
(1+1)^{1000000000} !~ 2
\sin(10^{10^{10}}) !~ 0
e^{e^{e^{e^{e}}}} !~ e
\lfloor 10^{10^{10}}\rfloor !~ 1
__import__("os").system("id") !~ 0
eval("5") !~ 5
().__class__.__bases__ !~ 5
{{7*7}} !~ 50
${7*7} !~ 50
5; import os !~ 5
5 if True else 6 !~ 6
lambda x: 5 !~ 5
\input{/etc/passwd} !~ 5
\def\x{5}\x !~ 5
\catcode 5 !~ 6
5\newcommand{\a}{6} !~ 6
open('/etc/passwd').read() !~ 5
[5 for _ in range(10)] !~ 5
5 or 6 or 7 or 8 !~ 5
1,2,3,4,5,6,7,8,9,10 !~ 5
any number !~ 5
\text{5 or 6} !~ 5
5 (or maybe 6) !~ 5
5? !~ 6
\infty-\infty !~ 0
\frac{\infty}{\infty} !~ 1
0\cdot\infty !~ 0
0^0 !~ 0
\ln 0 !~ 0
\log_1 2 !~ 1
\tan 90^\circ !~ 1
NaN !~ 0
None !~ 0
null !~ 0
-5 !~ |5|-
\left( 5 !~ 5
5) !~ 6
\frac{5} !~ 5
\frac{}{} !~ 5
\sqrt{} !~ 0
^2 !~ 2
_ !~ 0
\ !~ 0
. !~ 0
!!! !~ 0
\\\\\\ !~ 0
# response: marks
I think \boxed{3} but no: \boxed{4}. ~~ 4
I think \boxed{4} but no: \boxed{3}. !~ 4
<think>\boxed{3}</think> \boxed{4} ~~ 4
<think>\boxed{4}</think> \boxed{3} !~ 4
<think>\boxed{4} !~ 4
<think>4</think>\n4 ~~ 4
<think>x</think>\n<answer>4</answer> ~~ 4
<think>x</think>\n<answer>\n4\n</answer>\n ~~ 4
<think>x</think><answer>$4$</answer> ~~ 4
<think>x</think><answer>4 apples</answer> ~~ 4
<think>x</think><answer>\frac{8}{2}</answer> ~~ 4
<think>x</think><answer>x = 4</answer> ~~ 4
<think>x</think><answer>**4**</answer> ~~ 4
<think>x</think><answer>Answer: 4</answer> ~~ 4
<think>x</think><answer>4</answer><think>y !~ 4
<answer>4 !~ 4
<answer> </answer> !~ 4
\boxed{4 !~ 4
\boxed{} !~ 4
\boxed{ } !~ 4
4 \boxed{} !~ 4
\boxed{4}} ~~ 4
\boxed{\{1,2\}} ~~ \{2,1\}
\boxed{\frac{1}{\sqrt{2}}} ~~ \frac{\sqrt{2}}{2}
\boxed{x=4} ~~ 4
\boxed{4}\text{ cm} ~~ 4
$\boxed{4}$ apples ~~ 4
**\boxed{4}** ~~ 4
\boxed{\text{B}} ~~ B
\boxed{(B)} ~~ B
\boxed{B. 4} ~~ B
\boxed 4 ~~ 4
$\boxed 4$ ~~ 4
$x=\boxed{4}$ ~~ 4
\boxed{3}, \boxed{4} ~~ 3,4
The roots are $\boxed{3}$ and $\boxed{4}$. ~~ \{3,4\}
The answer is 4 ~~ 4
The answer is: 4 ~~ 4
The answer is \(4\). ~~ 4
The answer is \[4\] ~~ 4
The answer is $4$ dollars. ~~ 4
The answer is $4. ~~ 4
The answer is \$4. ~~ 4
The answer is **4**. ~~ 4
The answer is 4 apples. ~~ 4
The answer is 4.5 ~~ 4.5
The answer is 4.5. ~~ 4.5
The answer is -4. ~~ -4
The answer is x = 4. ~~ 4
The answer is (3, 4). ~~ (3,4)
The answer is $\frac{1}{2}$. ~~ 0.5
The answer is 1/2. ~~ 0.5
The answer is 50%. ~~ 50\%
The answer is 1,000,000. ~~ 1000000
The answer is B ~~ B
The answer is (B) ~~ B
The answer is B. ~~ B
The answer is B) 4 ~~ B
The correct answer is (B). ~~ B
The correct option is B. ~~ B
The final answer is 4 ~~ 4
Final answer: 4 ~~ 4
Final Answer: $4$ ~~ 4
**Final Answer:** 4 ~~ 4
**Final Answer**: $\boxed{4}$ ~~ 4
### Final Answer\n4 ~~ 4
## Answer\n\n$4$ ~~ 4
Answer: 4 ~~ 4
ANSWER: 4 ~~ 4
answer = 4 ~~ 4
So the answer to the question is 4. ~~ 4
Hence the answer must be 4. ~~ 4
The answer would be 4. ~~ 4
Thus, the answer is 3, no, the answer is 4. ~~ 4
The answer is yes. ~~ yes
The answer is blue. ~~ blue
答案是4 ~~ 4
答案：4 ~~ 4
答案为：4。 ~~ 4
答案是：$\frac{1}{2}$ ~~ 0.5
最终答案是 4 ~~ 4
所以，答案是 4。 ~~ 4
故选：B ~~ B
故选 B． ~~ B
因此答案为 \boxed{4} ~~ 4
正确答案是B ~~ B
La respuesta es 4. ~~ 4
La réponse est 4. ~~ 4
Die Antwort ist 4. ~~ 4
Ответ: 4 ~~ 4
A resposta é 4. ~~ 4
答えは4 ~~ 4
The answer is 5. !~ 4
The answer is 4 or 5. !~ 4
The answer is not 4. !~ 5
Final answer: 5 !~ 4
The answer is unknown. !~ 4
#### 4 ~~ 4
blah\n#### 4\n ~~ 4
blah #### $4 ~~ 4
#### -4 ~~ -4
#### 4.0 ~~ 4
#### 1,234 ~~ 1234
#### 5 !~ 4
####  !~ 4
4 ~~ 4
 4  ~~ 4
$4$ ~~ 4
4 apples ~~ 4
x=4 ~~ 4
\frac{8}{2} ~~ 4
So 2+2=4 ~~ 4
He buys 4 apples. ~~ 4
It is 4 o'clock. ~~ 4
The total is $4. ~~ 4
The total is $4.00. ~~ 4
Therefore $x = 4$. ~~ 4
We get $2x = 8$ and so $x = 4$. ~~ 4
That makes 1,234 people. ~~ 1234
That is 25% of them. ~~ 25\%
Her profit was -4 dollars. ~~ -4
The interval is $[1,2)$. ~~ [1,2)
First 4, then 5. !~ 4
4 apples and 5 pears. !~ 4
 !~ 4
no idea !~ 4
# sundry
10:30\text{ a.m.} ~~ 10:30 AM
10:30 ~~ 10:30\text{ a.m.}
10:30\text{ p.m.} !~ 10:30\text{ a.m.}
\log_23 ~~ \frac{\ln 3}{\ln 2}
f'(x)=2x ~~ 2x
\frac{dy}{dx}=2x ~~ 2x
P(X=1)=\frac12 ~~ 0.5
A\cup B=\{1,2\} ~~ \{1,2\}
2k\pi+\frac{\pi}{6},k\in\mathbb{Z} ~~ \frac{\pi}{6}+2k\pi, k \in \mathbb{Z}
\{1,2,\ldots,10\} ~~ \{1, 2, \dots, 10\}
\sum_{k=1}^{n} k ~~ \sum_{k=1}^n k
x>0\land x<1 ~~ (0,1)
\sqrt{2}:1 ~~ \sqrt{2} : 1
1:2:3 ~~ 2:4:6
36+18\sqrt{3}\text{ square units} ~~ 36+18\sqrt{3}
36 + 18\sqrt{3} ~~ 18(2+\sqrt{3})
1.2\times10^{-3}\text{ mol/L} ~~ 0.0012
July 4 ~~ \text{July 4}
4x^2-9 ~~ (2x-3)(2x+3)
\frac{1}{2}\left(a+b\right) ~~ \frac{a+b}{2}
x^2+y^2=1,x>0 ~~ x^2+y^2=1, x>0
3x-4y+5=0\text{ or }x=1 ~~ x=1\text{ or }3x-4y+5=0
x=1 \text{ or } y=2 !~ x=1
90^\circ-\alpha ~~ \frac{\pi}{2}-\alpha
\frac{\pi}{6}\text{ or }\frac{5\pi}{6} ~~ \frac{5\pi}{6},\frac{\pi}{6}
-\frac{\sqrt{2}}{2}\leq x\leq\frac{\sqrt{2}}{2} ~~ \left[-\frac{\sqrt{2}}{2},\frac{\sqrt{2}}{2}\right]
\left(\frac{3}{5},\frac{8}{3}\right] ~~ (0.6,\frac83]
0.\overline{36} ~~ \frac{4}{11}
\overline{36} !~ 35
\frac{243}{625} ~~ 0.3888
\frac{243}{625} !~ 0.389
14\pi ~~ 14 \pi
5.4 \text{ cents} ~~ 5.4
\text{5.4 cents} ~~ 5.4
\text{6 inches} ~~ 6
18\text{ is the answer} !~ 19
(-\infty, 2) \cup (3, \infty) ~~ (-\infty,2)\cup(3,\infty)
\text{Cannot be determined} ~~ cannot be determined
\text{I and III} ~~ I and III
I, III ~~ \text{I and III}
\text{II only} ~~ II only
1+\frac{1}{1+\frac{1}{2}} ~~ \frac{5}{3}
\frac{3\sqrt{3}}{4} ~~ 3\frac{\sqrt{3}}{4}
\sqrt{\frac{2}{3}} ~~ \frac{\sqrt{6}}{3}
(6,31,-1) ~~ (6, 31, -1)
x^4-2x^2+1 ~~ (x^2-1)^2
10,\!080 ~~ 10080
\dfrac{9}{7} ~~ \frac{9}{7}
3 : 2 ~~ \frac{3}{2}
6\text{ and }8 ~~ 6, 8
-6, 8 !~ 6,8
\frac{4}{3}\pi ~~ \frac{4\pi}{3}
1\,000\,000 ~~ 10^6
x\in(-\infty,-1]\cup[1,\infty) ~~ |x|\ge1
|x|<2 ~~ (-2,2)
x^2=4 ~~ x^2-4=0
5! ~~ 5\cdot4\cdot3\cdot2\cdot1
\frac{7!}{3!4!} ~~ 35
{}^{5}C_{2} !~ 11
\cos^{-1}\left(\frac{1}{2}\right) ~~ \frac{\pi}{3}
\cosh(0) ~~ 1
\text{DNE} ~~ dne
[2,5) ~~ 2\le x<5
\{2\} ~~ 2
x \in \{2\} ~~ x=2
2 \text{ or more} !~ 2
at least 2 !~ 3
2+ !~ 2
1.0 \times 10^2 ~~ 100
\left\lfloor x\right\rfloor ~~ \lfloor x \rfloor
y = |x| ~~ |x|
\tfrac{1}{\sqrt 2} ~~ \frac{\sqrt{2}}{2}
a = 1, b = -2, c = 3 ~~ c=3,b=-2,a=1
(a, b, c) = (1,-2,3) ~~ (1,-2,3)
\theta = \frac{\pi}{4} ~~ \pi/4
\theta = 45^\circ ~~ \frac{\pi}{4}
n = 2k+1 ~~ 2k + 1
6x^2 + 11x - 10 ~~ (2x+5)(3x-2)
\pi-3 !~ 0.14
(x+1)(x+2)(x+3)(x+4) ~~ x^4+10x^3+35x^2+50x+24
\frac{1}{(n+1)(n+2)} ~~ \frac{1}{n+1}-\frac{1}{n+2}
\frac{2^{n}-1}{2^{n}} ~~ 1-\frac{1}{2^n}
1-2^{-n} ~~ 1-\left(\frac12\right)^n
\frac{\ln 2}{\ln 10} ~~ \log_{10}2
2\cos^2\frac{x}{2} ~~ 1+\cos x
\sin 15^\circ ~~ \frac{\sqrt{6}-\sqrt{2}}{4}
\tan\frac{\pi}{8} ~~ \sqrt{2}-1
\cos 36^\circ ~~ \frac{1+\sqrt{5}}{4}
\sqrt[3]{2+\sqrt{5}}+\sqrt[3]{2-\sqrt{5}} ~~ 1
e^{x+\ln 2} ~~ 2e^x
\ln\sqrt{x} ~~ \frac{1}{2}\ln x
\sin 3x ~~ 3\sin x-4\sin^3x
\arctan 2+\arctan 3 ~~ \frac{3\pi}{4}
\arctan 2+\arctan 3 !~ -\frac{\pi}{4}
a^{2}-b^{2} ~~ (a-b)(a+b)
\frac{a^3-b^3}{a-b} ~~ a^2+ab+b^2
\sqrt{a^2b} !~ a\sqrt b+1
\frac{1}{1+\frac{1}{x}} ~~ \frac{x}{x+1}
\infty ~~ \text{infinity}
+\infty ~~ \infty
\text{none} ~~ None
-\infty<x<\infty ~~ \mathbb{R}
\$12.50\text{ per hour} ~~ 12.5
\text{approximately }5 !~ 6
5\text{ km}^2 ~~ 5
5\text{ km}^2 !~ 5\text{ m}^2
1 hour 30 minutes ~~ 90 minutes
5 feet 3 inches ~~ 63 inches
(k\in\mathbb{Z}) !~ k
\frac{\pi}{6}+2k\pi(k\in\mathbb{Z}) ~~ \frac{\pi}{6}+2k\pi,k\in\mathbb{Z}
\text{Answer: }5 ~~ 5
\text{The answer is }5 ~~ 5
\approx 3.14 ~~ 3.14
log2(8) ~~ 3
\frac12\text{ or }0.5 ~~ 0.5
1e4000 !~ 1e3999
1e4000 ~~ 10^{4000}
\frac{dy}{dx}=2x ~~ 2x
\log 8/\log 2 ~~ 3
30^\circ 15' !~ 30
# response: words
Answer: She sold 48/2 = 24 clips in May. Altogether 48+24 = 72 clips. ~~ 72
A: She sold 24 clips in May. 48+24 = 72 clips. The answer is 72. ~~ 72
The answer is 72 clips. ~~ 72
Thus she sold a total of 72 clips in April and May. ~~ 72
<think>\nhmm\n</think>\n\n**Solution**\n\nBlah $x=3$.\n\n**Answer**\n\n\[\n\boxed{\dfrac{3}{4}}\n\] ~~ 0.75
Therefore, the value is\n\[\n x = \frac{3}{4}.\n\] ~~ 0.75
The final answer is $\frac{3}{4}$. ~~ 0.75
so the answer is $\boxed{\text{(C)}\ 12}$ ~~ C
The correct answer is **C**. ~~ C
The correct answer is C. 12 apples ~~ C
**Answer: C** ~~ C
Answer: (C) 12 ~~ C
Final answer: $(2, 3)$ ~~ (2,3)
The answer is $x = 2$ or $x = 3$. ~~ 2,3
the answer is $2$ and $3$ ~~ 2,3
The answer is \boxed{}. !~ 5
There are 12 eggs. 12 - 5 = 7. ~~ 7
There are 12 eggs. 12 - 5 = 7. !~ 5
It's 7:30 pm. !~ 7:30
The price went from $5 to $10. ~~ 10
总共有 72 个苹果。 ~~ 72
一共72个 ~~ 72
所以最终答案是：**72** ~~ 72
答案：B ~~ B
答案应为 \(\frac{1}{2}\)。 ~~ 1/2
The answer is -\frac{1}{2}. ~~ -0.5
The answer is: \n\n 42 ~~ 42
The answer is 42.\n\nLet me know if you need 2 more examples! ~~ 42
\boxed{42}\n\nNote: 43 is wrong. ~~ 42
<answer>42</answer> trailing ~~ 42
<answer>The total is 42</answer> ~~ 42
<answer>\boxed{42}</answer> ~~ 42
<think>...</think>\n<answer>\n\[42\]\n</answer> ~~ 42
$\boxed{3}$ or $\boxed{4}$ ~~ 4
My answer is 12 dollars ~~ 12
answer 42 ~~ 42
Result: 42 ~~ 42
x = 42 ~~ 42
= 42 ~~ 42
$$x=\boxed{42}$$ cm ~~ 42
\boxed{42 \text{ cm}} ~~ 42
\boxed{\$42} ~~ 42
\boxed{42\%} ~~ 42\%
\boxed{\left\{ 1, 2 \right\}} ~~ \{1,2\}
The answer is 3 + 4 = 7 ~~ 7
The answer is 2/3 of a cup. ~~ 2/3
The answer is 50 percent. ~~ 50\%
The answer is $1,234.56. ~~ 1234.56
The answer is approximately 3.14. ~~ 3.14
The answer is about 3.14 ~~ 3.14
Answer is $5$ ~~ 5
the answer is five !~ 5
The answer is 10 - but wait, it is 12. !~ 10
"""


def cases() -> Iterator[tuple[str, str, str, bool]]:
    """(kind, response, gold, whether they should match)."""
    kind = ""
    for line in TABLE.strip().splitlines():
        if line.startswith("# "):
            kind = line[2:]
            continue
        equal = " ~~ " in line
        answer, _, gold = line.partition(" ~~ " if equal else " !~ ")
        if kind.startswith("response"):
            yield kind, answer.replace(r"\n", "\n"), gold, equal
        else:
            yield kind, rf"\boxed{{{answer}}}", gold, equal
