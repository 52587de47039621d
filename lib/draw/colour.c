/* colour.c -- heat as a colour. */
#include <math.h>

#include "draw/draw.h"

static uint8_t byte(double share)
{
    return (uint8_t)lrint(255 * fmin(fmax(share, 0), 1));
}

struct rn_colour rn_draw_heat(double t)
{
    static const double inferno[7][3] = { /* of t^0 to t^6: red, green, blue */
        { 0.0002189403691192265, 0.001651004631001012, -0.01948089843709184 },
        { 0.1065134194856116, 0.5639564367884091, 3.932712388889277 },
        { 11.60249308247187, -3.972853965665698, -15.9423941062914 },
        { -41.70399613139459, 17.43639888205313, 44.35414519872813 },
        { 77.162935699427, -33.40235894210092, -81.80730925738993 },
        { -71.31942824499214, 32.62606426397723, 73.20951985803202 },
        { 25.13112622477341, -12.24266895238567, -23.07032500287172 },
    };
    double channel[3] = { 0, 0, 0 };
    t = t > 0 ? fmin(t, 1) : 0;
    for (int power = 6; power >= 0; power--)
        for (int c = 0; c < 3; c++)
            channel[c] = channel[c] * t + inferno[power][c];
    return (struct rn_colour){ byte(channel[0]), byte(channel[1]), byte(channel[2]) };
}

static uint8_t mix(uint8_t a, uint8_t b, double share)
{
    return (uint8_t)lrint(a + (b - a) * share);
}

struct rn_colour rn_draw_blend(struct rn_colour a, struct rn_colour b, double share)
{
    return (struct rn_colour){ mix(a.r, b.r, share), mix(a.g, b.g, share), mix(a.b, b.b, share) };
}
