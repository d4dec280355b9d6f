"""Charts: pictures (SVG) of screens, made of nothing but shapes with classes, each with a table as its twin.

A picture has no script and no style in it, so that a strict content security policy lets it pass, and each mark has a
`<title>`. Positions along the time are in percent: a picture is as wide as its place. The web page has colours of its
own for the classes; `svg.CHART_STYLE` is for a digest, and for a picture that stands alone.
"""
