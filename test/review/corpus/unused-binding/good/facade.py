from shapes import Circle
from shapes import Line
from shapes import Point
from shapes import Square
from colours import Colour

__all__ = []
DEFAULT = Colour('black')
