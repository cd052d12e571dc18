mod handmade;
mod real;
