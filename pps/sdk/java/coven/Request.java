package coven;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A method that answers an agent request. Its arguments are int, long, double, boolean or String; they are
 * checked before it is called. The answer is what it returns: numbers, texts, booleans, lists, maps.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
public @interface Request {
    /** By what name it is asked for; the method's own if empty. */
    String name() default "";

    String why() default "";

    String unit() default "";

    /** Whether asking changes something: who asks must have the right to operate the VNF. */
    boolean changes() default false;
}
